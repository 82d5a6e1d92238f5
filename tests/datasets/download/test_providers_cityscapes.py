from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from download_made import cityscapes_files, zip_of
from overland.datasets.download.providers import download_cityscapes
from overland.errors import AccessError, ResourceError

PACKAGES = ["gtFine_trainvaltest.zip", "leftImg8bit_trainvaltest.zip"]

# Does what csDownload does with its arguments: refuses to overwrite, appends to a part when it resumes.
FAKE = """#!{python}
import sys
from pathlib import Path
store, fail = Path({store!r}), {fail!r}
arguments = sys.argv[1:]
with (store / "calls").open("a") as calls:
    print(*arguments, file=calls)
if fail:
    sys.exit("Traceback (most recent call last):\\n" + fail)
resume = "--resume" in arguments
arguments = [word for word in arguments if word != "--resume"]
assert arguments[0] == "-d"
folder, names = Path(arguments[1]), arguments[2:]
for name in names:
    target, content = folder / name, (store / name).read_bytes()
    if target.exists() and not resume:
        sys.exit(f"Exception: Destination file '{{target}}' already exists.")
    print("Downloading cityscapes package", name)
    sys.stderr.write("\\rDownload progress: 50%|#####     | 1/2 [00:01<00:01, 1.0B/s]")
    with target.open("ab") as file:
        file.write(content[file.tell() :])
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, fail: str = "") -> Path:
    folder.mkdir()
    command = folder / "csDownload"
    command.write_text(FAKE.format(python=sys.executable, store=str(folder), fail=fail))
    command.chmod(0o755)
    for name, files in cityscapes_files().items():
        (folder / name).write_bytes(zip_of(files))
    monkeypatch.setenv("PATH", str(folder) + os.pathsep + os.environ["PATH"])
    return folder


def test_both_packages_arrive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = install(tmp_path / "bin", monkeypatch)
    found = download_cityscapes(PACKAGES, tmp_path / "part")
    assert [path.read_bytes() for path in found] == [(store / name).read_bytes() for name in PACKAGES]
    assert capsys.readouterr().out == ""


def test_a_whole_package_is_kept_and_a_part_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, part = install(tmp_path / "bin", monkeypatch), tmp_path / "part"
    part.mkdir()
    (part / PACKAGES[0]).write_bytes((store / PACKAGES[0]).read_bytes())
    (part / PACKAGES[1]).write_bytes((store / PACKAGES[1]).read_bytes()[:200])
    found = download_cityscapes(PACKAGES, part)
    assert (store / "calls").read_text().splitlines() == [f"-d {part} --resume {PACKAGES[1]}"]
    assert found[1].read_bytes() == (store / PACKAGES[1]).read_bytes()


def test_its_last_line_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "bin", monkeypatch, fail="Exception: Bad credentials.")
    with pytest.raises(AccessError, match=r"\(Exception: Bad credentials\.\)\. Run `csDownload -l` once") as caught:
        download_cityscapes(PACKAGES, tmp_path / "part")
    assert "Traceback" not in str(caught.value)


def test_a_full_disk_is_a_resource_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "bin", monkeypatch, fail="OSError: [Errno 28] No space left on device")
    with pytest.raises(ResourceError, match="is full"):
        download_cityscapes(PACKAGES, tmp_path / "part")


def test_without_the_command_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AccessError, match="pip install cityscapesscripts, and an account from https"):
        download_cityscapes(PACKAGES, tmp_path / "part")
