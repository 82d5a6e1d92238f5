from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from overland.errors import DataError
from overland.raster import read_image, write_class_map
from overland.web.app.results import MappedImage, MapState
from overland.web.app.truth import compare_with_truth, take_truth
from overland.web.app.truth_reader import read_truth
from overland.web.jobs.limits import Limits
from overland.web.refusals import RefusedError
from scenes import utm_grid, write_image


def road_mask() -> np.ndarray:
    mask = np.zeros((96, 128), np.uint8)
    mask[30:36, :64] = 1
    mask[:, 100:] = 1
    return mask


def asked(result: MappedImage, tmp_path: Path, upload: Path, driver: str = "GTiff") -> tuple[np.ndarray, list[str]]:
    notes = read_truth(str(upload), driver, str(result.bundle.path), str(result.mask), str(tmp_path / "truth.tif"))
    return read_image(tmp_path / "truth.tif", expand_palette=False)[0][0], notes


def write_png(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    Image.fromarray(pixels).save(path, "PNG", **options)
    return path


def test_ids_black_and_white_colours_and_palettes_are_one(result: MappedImage, tmp_path: Path) -> None:
    mask = road_mask()
    colors = np.array(result.legend.colors, np.uint8)
    write_class_map(tmp_path / "palette.tif", mask, utm_grid(96, 128), result.legend)
    files = {
        write_png(tmp_path / "ids.png", mask): "PNG",
        write_png(tmp_path / "white.png", mask * 255): "PNG",
        write_png(tmp_path / "colors.png", colors[mask]): "PNG",
        tmp_path / "palette.tif": "GTiff",
    }
    for path, driver in files.items():
        truth, notes = asked(result, tmp_path, path, driver)
        assert (truth == mask).all(), path.name
        assert bool(notes) == (path.name == "white.png")


def test_labels_of_another_size_or_place_are_refused(result: MappedImage, tmp_path: Path) -> None:
    small = write_png(tmp_path / "small.png", road_mask()[:50])
    with pytest.raises(DataError, match="128 x 50 pixels and the image 128 x 96"):
        asked(result, tmp_path, small, "PNG")
    grid = utm_grid(96, 128, resolution_m=2.0)
    elsewhere = write_image(tmp_path / "elsewhere.tif", road_mask()[None], grid)
    with pytest.raises(DataError, match="do not lie on one grid"):
        asked(result, tmp_path, elsewhere)


def test_metrics_are_those_of_the_map_as_it_is_shown(result: MappedImage, tmp_path: Path) -> None:
    labels = io.BytesIO(
        write_png(tmp_path / "ids.png", read_image(result.mask, expand_palette=False)[0][0]).read_bytes()
    )
    truth, _ = take_truth(result, labels, "one", Limits(memory_mb=1000))
    assert compare_with_truth(MapState(result), truth)["headline"]["value"] == 1
    assert compare_with_truth(MapState(result, 0.99), truth)["headline"]["value"] < 1
    assert not list(result.folder.glob("*.upload"))


@pytest.mark.parametrize("data", [b"", b"<VRTDataset/>", b"\x89PNG\r\n\x1a\n" + b"0" * 90])
def test_what_is_no_image_is_refused_in_words(result: MappedImage, data: bytes) -> None:
    with pytest.raises((RefusedError, DataError)) as caught:
        take_truth(result, io.BytesIO(data), "bad", Limits(memory_mb=1000))
    assert str(result.folder) not in str(caught.value)
    assert not list(result.folder.glob("*.upload"))
