import subprocess
import sys
from pathlib import Path

from models_made import threshold_bundle
from scenes import bright_roads, utm_grid, write_image

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


def test_every_example_is_run_by_a_test():
    tested = Path(__file__).read_text(encoding="utf-8")
    assert all(path.name in tested for path in EXAMPLES.glob("*.py"))
