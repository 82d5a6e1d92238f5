import json

"""The examples, run as a user would run them; the one of all verbs is typed as well."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import overland
from models_made import threshold_bundle
from scenes import bright_roads, utm_grid, write_image, write_road_dataset

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(name, *arguments):
    return subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_roads_of_a_scene(tmp_path):
    image, _ = bright_roads(0, 200, 200)
    scene = write_image(tmp_path / "scene.tif", image, utm_grid(200, 200))
    model = threshold_bundle(tmp_path / "model", bands=3)
    done = run("roads_of_a_scene.py", model.path, scene, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "km of road" in done.stdout
    assert (tmp_path / "roads.gpkg").is_file()


@pytest.mark.parametrize("name", ["own_loss.py", "own_metric.py", "own_augmentation.py", "own_network.py"])
def test_own_code_trains_from_python(tmp_path, name):
    pytest.importorskip("torch")
    data = write_road_dataset(tmp_path / "roads", train=2, val=1, side=64)
    done = run(name, data, tmp_path / "runs", 1)
    assert done.returncode == 0, done.stderr
    assert "IoU" in done.stdout


def test_own_code_trains_from_the_command_line_and_its_bundle_predicts_without_it(tmp_path):
    pytest.importorskip("torch")
    data = write_road_dataset(tmp_path / "roads", train=2, val=1, side=64)
    overland = [sys.executable, "-c", "from overland.cli import main; main()"]
    words = ["train", "--data", data, "--project", tmp_path / "runs", "--epochs", 2, "--imgsz", 32, "--json"]
    words += ["--loss", "own_loss:hinge=1", "--augment", "own_augmentation:dead_line"]
    words += ["--metrics", "balance=own_metric:balance", "--monitor", "balance"]
    words += ["--model", "architecture=own_network:Shallow", "--model", "width=4"]
    done = subprocess.run([*overland, *map(str, words)], capture_output=True, text=True, check=False, cwd=EXAMPLES)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    columns = (Path(found["run"]) / "results.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert "val/balance" in columns
    scene = data / "images" / "val" / "val0.tif"
    words = ["predict", found["model"], scene, tmp_path / "map.tif"]
    done = subprocess.run([*overland, *map(str, words)], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    words[-1:] = [tmp_path / "torch.tif", "--engine", "torch"]
    done = subprocess.run([*overland, *map(str, words)], capture_output=True, text=True, check=False, cwd=EXAMPLES)
    assert done.returncode == 2
    assert "somebody's own (own_network:Shallow), whose code is not run here" in done.stderr


def write_places(root):
    for index in range(4):
        image, mask = bright_roads(index, 64, 64)
        (root / f"place{index}").mkdir(parents=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(root / f"place{index}" / "photo.png")
        Image.fromarray(mask * np.uint8(255)).save(root / f"place{index}" / "roads.png")
    return root


def test_an_own_dataset_trains_from_python_and_is_checked_from_the_command_line(tmp_path):
    pytest.importorskip("torch")
    places = write_places(tmp_path / "places")
    done = run("own_dataset.py", places, tmp_path / "runs", 1)
    assert done.returncode == 0, done.stderr
    assert "0 errors" in done.stdout
    assert "IoU" in done.stdout
    overland = [sys.executable, "-c", "from overland.cli import main; main()"]
    words = ["data", "check", f"own_dataset:read_places@{places}", "--json"]
    done = subprocess.run([*overland, *words], capture_output=True, text=True, check=False, cwd=EXAMPLES)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["layout"] == "places"


def test_all_verbs(tmp_path):
    pytest.importorskip("torch")
    data = write_road_dataset(tmp_path / "roads", train=6, val=4, side=64)
    image, _ = bright_roads(0, 128, 128)
    scene = write_image(tmp_path / "scene.tif", image, utm_grid(128, 128))
    done = run("all_verbs.py", data, scene, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "m of road" in done.stdout
    assert (tmp_path / "out" / "roads.onnx").is_file()


def test_all_verbs_uses_every_verb():
    tree = ast.parse((EXAMPLES / "all_verbs.py").read_text(encoding="utf-8"))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    verbs = {name for name in overland.__all__ if name.islower() and not name.startswith("_")}
    assert verbs <= used


def test_all_verbs_passes_mypy_strict():
    pytest.importorskip("mypy")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "examples/all_verbs.py"],
        cwd=EXAMPLES.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_example_is_run_by_a_test():
    tested = Path(__file__).read_text(encoding="utf-8")
    assert all(path.name in tested for path in EXAMPLES.glob("*.py"))
