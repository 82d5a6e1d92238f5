from overland import __version__
from overland.workflows.doctor import doctor


def test_what_the_doctor_finds():
    found = doctor()
    assert found["overland"] == __version__
    assert found["gdal"]["GDAL"]
    assert found["engines"]["onnx"]
    assert found["versions"]["numpy"]
    assert found["disk_free_gb"] > 0
