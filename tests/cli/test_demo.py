from click.testing import CliRunner

from overland.cli import overland


def test_a_folder_in_use_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("keep me")
    done = CliRunner().invoke(overland, ["demo", "--output", str(tmp_path)])
    assert done.exit_code == 2
    assert "--overwrite" in done.stderr
