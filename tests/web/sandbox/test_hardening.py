"""What the environment of a worker forbids, looked at in a process of its own: GDAL reads it when it is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from overland.web.sandbox.hardening import worker_environment


def _said_by(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=worker_environment(), capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_secrets_of_the_server_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OVERLAND_API_KEY", "AWS_SECRET_ACCESS_KEY", "https_proxy"):
        monkeypatch.setenv(name, "s3cret")
    assert "s3cret" not in worker_environment().values()


def test_formats_that_fetch_are_gone_and_plain_ones_are_there() -> None:
    drivers = set(_said_by("import rasterio.env as e; e.ensure_env(lambda: 0)(); "
                           "import rasterio; print(*rasterio.Env().__enter__().drivers())").split())  # fmt: skip
    assert not drivers & {"WMS", "WCS", "WMTS", "HTTP", "OGCAPI", "STACIT", "PLMOSAIC", "EEDAI"}
    assert {"GTiff", "PNG", "JPEG", "COG"} <= drivers


def test_nothing_is_fetched(listener) -> None:
    before = len(listener.asked)
    said = _said_by(
        "import rasterio\n"
        "try:\n"
        f"    rasterio.open('/vsicurl/{listener.url}/a.tif')\n"
        "except rasterio.RasterioIOError:\n"
        "    print('refused')"
    )
    assert said == "refused"
    assert len(listener.asked) == before


def test_sidecar_files_are_not_read(tmp_path: Path) -> None:
    code = (
        "import warnings, rasterio, numpy as np\n"
        "warnings.simplefilter('ignore')\n"
        f"path = {str(tmp_path / 'a.png')!r}\n"
        "rasterio.open(path, 'w', driver='PNG', count=1, height=4, width=4, dtype='uint8').close()\n"
        "open(path + '.aux.xml', 'w').write('<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>')\n"
        f"open({str(tmp_path / 'a.pgw')!r}, 'w').write('1\\n0\\n0\\n-1\\n5\\n5\\n')\n"
        "with rasterio.open(path, driver='PNG') as dataset:\n"
        "    print(dataset.crs, dataset.transform.is_identity)"
    )
    assert _said_by(code) == "None True"


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_memory_has_an_end() -> None:
    code = (
        "import numpy as np\n"
        "from overland.web.sandbox.hardening import limit_memory\n"
        "limit_memory(100)\n"
        "np.ones(50_000_000, np.uint8)\n"
        "try:\n"
        "    np.ones(200_000_000, np.uint8)\n"
        "except MemoryError:\n"
        "    print('refused')"
    )
    assert _said_by(code) == "refused"
