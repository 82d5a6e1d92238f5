import json

from click.testing import CliRunner

from models_made import threshold_bundle
from overland.cli.report import command


def test_the_page_to_open_is_named(tmp_path):
    model = threshold_bundle(tmp_path / "m", bands=3).path
    result = CliRunner().invoke(command, [str(model), "-o", str(tmp_path / "r.html")])

    assert result.exit_code == 0
    assert f"Open {tmp_path / 'r.html'}" in result.stdout
    assert (tmp_path / "r.html").is_file()


def test_an_existing_page_is_a_usage_error(tmp_path):
    (tmp_path / "r.html").write_text("mine")
    model = threshold_bundle(tmp_path / "m", bands=3).path
    result = CliRunner().invoke(command, [str(model), "-o", str(tmp_path / "r.html"), "--json"])

    assert result.exit_code == 2
    assert "--overwrite" in json.loads(result.stdout)["error"]
