import importlib.util
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
if importlib.util.find_spec("torchvision") is None:
    pytest.skip("torchvision is not installed", allow_module_level=True)


def run(code):
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)


def test_torchvision_imports_after_overland_models():
    done = run("import overland.models, torchvision, timm; print(torchvision.__version__)")
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(torch.version.cuda is not None, reason="nothing is declared for a CUDA build")
def test_operators_are_declared_only_where_the_import_fails_without_them():
    # Both ways: either this torchvision is a CUDA build, whose import fails without us and works with us, or its
    # extension loads and nothing is declared.
    fails_alone = run("import torchvision").returncode != 0
    declared = run("from overland.models import torchvision_operators as s; print(bool(s._libraries))")
    assert declared.stdout.strip() == str(fails_alone)


def test_nothing_is_declared_where_cuda_is(monkeypatch):
    from overland.models import torchvision_operators

    monkeypatch.setattr(torchvision_operators, "_libraries", [])
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert torchvision_operators.declare_missing_operators() is False


def test_nothing_is_declared_where_the_extension_loads(monkeypatch):
    from overland.models import torchvision_operators

    monkeypatch.setattr(torchvision_operators, "_libraries", [])
    monkeypatch.setattr(torchvision_operators, "_extension_loads", lambda: True)
    assert torchvision_operators.declare_missing_operators() is False
