from overland import __version__
from overland.inference.machine import cpu_features
from overland.workflows.doctor import doctor


def test_the_doctor_finds_packages_gdal_engines_and_the_disk():
    found = doctor()
    assert found.overland == __version__
    assert found.gdal["GDAL"]
    assert found.engines["onnx"]
    assert found.versions["numpy"]
    assert found.disk_free_gb > 0


def test_the_doctor_names_every_engine_and_no_more_features_than_there_are():
    found = doctor()
    assert list(found.engines) == ["openvino", "onnx", "torch"]
    assert found.machine.cpus >= 1
    assert set(found.machine.features) <= cpu_features()
