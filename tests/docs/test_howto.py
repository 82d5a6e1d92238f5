"""The commands of the how-to's, run one after the other as a reader would, on made scenes."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from download_made import deepglobe_road_files, kaggle_stub, zip_of
from howto_made import answer_by_truth, lay_out
from overland.cli import overland

PAGES = Path(__file__).resolve().parents[2] / "docs/howto"
BLOCK = re.compile(r"^ *```bash\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
SIDE = 512


def commands_of(page):
    blocks = BLOCK.findall((PAGES / page).read_text(encoding="utf-8"))
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("howto")
    lay_out(folder, SIDE)
    return folder


@pytest.fixture(autouse=True)
def short_runs(monkeypatch):
    for name, value in {"EPOCHS": "1", "IMGSZ": "64", "BATCH": "4"}.items():
        monkeypatch.setenv(f"OVERLAND_TRAIN_{name}", value)


@pytest.fixture
def kaggle(monkeypatch, tmp_path):
    pytest.importorskip("kagglehub", reason="this page downloads from Kaggle")
    archive = zip_of(deepglobe_road_files(size=(128, 128)))
    with kaggle_stub({"deepglobe-road-extraction-dataset.zip": archive}, monkeypatch, tmp_path) as stub:
        yield stub


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("page", sorted(path.name for path in PAGES.glob("*.md")))
def test_every_command_of_a_page_runs(page, made, monkeypatch, request):
    if page in {"deepglobe-roads.md", "own-labels.md", "large-rasters.md"}:
        pytest.importorskip("torch", reason="this page trains or exports")
    if page == "deepglobe-roads.md":
        request.getfixturevalue("kaggle")
    monkeypatch.chdir(made)
    for program, *arguments in commands_of(page):
        assert program == "overland"
        if arguments[:2] == ["assess", "estimate"]:
            answer_by_truth(Path("points.gpkg"), Path("truth.tif"))
        done = CliRunner().invoke(overland, [*arguments, *overwriting(arguments)], auto_envvar_prefix="OVERLAND")
        assert done.exit_code == 0, f"overland {shlex.join(arguments)}\n{done.output}"


def overwriting(arguments):
    # Pages share a folder here, and may write the same names.
    return ["--overwrite"] if arguments[0] in {"predict", "vectorize", "report", "evaluate"} else []
