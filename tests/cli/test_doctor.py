import json

from click.testing import CliRunner

from overland.cli import overland


def test_versions_devices_and_disk():
    done = CliRunner().invoke(overland, ["doctor"])
    assert done.exit_code == 0
    for word in ("GDAL", "numpy", "engine onnx", "GB free"):
        assert word in done.stdout


def test_json_is_the_result_of_the_verb():
    found = json.loads(CliRunner().invoke(overland, ["doctor", "--json"]).stdout)
    assert found["python"]
    assert found["machine"]["cpus"] >= 1
