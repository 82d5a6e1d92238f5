from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from made_sets import make_image, make_mask, real_data, save, write_set
from overland.datasets import read_dataset, read_sample
from overland.datasets.dataset import read_labels
from overland.datasets.label_mapping import mask_from_ids
from overland.errors import DataError, UsageError
from overland.legend import legend_from_names
from overland.raster import Grid, read_image, write_class_map
from overland.workflows.encode_mask import encode_mask
from scenes import utm_grid

IDS = np.array([[0, 1, 2, 18, 255]] * 3, np.uint8)


def cityscapes(root: Path, ending: str = "labelIds", values: tuple[int, ...] = (7, 8, 11, 33, 0)) -> Path:
    stem = "aachen_000000_000019"
    save(root / f"leftImg8bit/train/aachen/{stem}_leftImg8bit.png", make_image(0, (1, len(values))))
    save(root / f"gtFine/train/aachen/{stem}_gtFine_{ending}.png", np.array([values], np.uint8))
    return root


def landcover(root: Path) -> Path:
    mask = np.zeros((24, 32, 3), np.uint8)
    mask[:8] = 0, 255, 255
    mask[8:16] = 0, 0, 255
    save(root / "train/1_sat.jpg", make_image(1))
    save(root / "train/1_mask.png", mask)
    rows = "image_id,split,sat_image_path,mask_path\n1,train,train/1_sat.jpg,train/1_mask.png\n"
    (root / "metadata.csv").write_text(rows)
    (root / "class_dict.csv").write_text("name,r,g,b\nurban_land,0,255,255\nwater,0,0,255\nunknown,0,0,0\n")
    return root


def written(tmp_path: Path, ids: np.ndarray, like: Path, suffix: str = ".png") -> np.ndarray:
    mask = save(tmp_path / "predicted.png", ids)
    encode_mask(mask, tmp_path / f"out{suffix}", like=like)
    return read_image(tmp_path / f"out{suffix}", expand_palette=False)[0]


def test_training_ids_go_back_to_label_ids(tmp_path: Path) -> None:
    assert written(tmp_path, IDS, cityscapes(tmp_path / "set")).tolist() == [[[7, 8, 11, 33, 0]] * 3]


def test_land_cover_goes_back_to_colours(tmp_path: Path) -> None:
    pixels = written(tmp_path, np.array([[0, 1, 255]], np.uint8), landcover(tmp_path / "set"), ".tif")
    assert pixels[:, 0].T.tolist() == [[0, 255, 255], [0, 0, 255], [0, 0, 0]]


def test_two_tones(tmp_path: Path) -> None:
    like = write_set(tmp_path / "set", high=255)
    assert np.array_equal(written(tmp_path, make_mask(), like)[0], make_mask(high=255))


def test_classes_go_by_name_and_the_place_is_kept(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 255]] * 3, np.uint8)
    write_class_map(tmp_path / "map.tif", ids, utm_grid(3, 3), legend_from_names(["water", "urban_land"]))
    values = encode_mask(tmp_path / "map.tif", tmp_path / "out.tif", like=landcover(tmp_path / "set"))
    assert values.codes == {"urban_land": (0, 255, 255), "water": (0, 0, 255), "(no label)": (0, 0, 0)}
    pixels, _ = read_image(tmp_path / "out.tif")
    assert pixels[:, 0].T.tolist() == [[0, 0, 255], [0, 255, 255], [0, 0, 0]]


def test_a_class_of_another_set_is_named(tmp_path: Path) -> None:
    write_class_map(tmp_path / "map.tif", IDS[:, :2], Grid(height=3, width=2), legend_from_names(["ice", "water"]))
    with pytest.raises(DataError, match="has the class 'ice', and the dataset has urban_land, water"):
        encode_mask(tmp_path / "map.tif", tmp_path / "out.png", like=landcover(tmp_path / "set"))
    assert not (tmp_path / "out.png").exists()


def test_an_id_beyond_the_classes_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has the class 2, and the dataset has 2 classes"):
        written(tmp_path, IDS, landcover(tmp_path / "set"))
    assert not list(tmp_path.glob("out*"))


def test_the_input_is_not_overwritten(tmp_path: Path) -> None:
    mask = save(tmp_path / "m.png", IDS)
    with pytest.raises(UsageError, match="is an input"):
        encode_mask(mask, mask, like=cityscapes(tmp_path / "set"), overwrite=True)


def test_a_map_larger_than_a_block(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 3, (1100, 1030), dtype=np.uint8)
    pixels = written(tmp_path, ids, cityscapes(tmp_path / "set"))
    assert np.array_equal(pixels[0], np.array([7, 8, 11])[ids])


SETS = [
    "cityscapes",
    "camvid",
    "deepglobe-road",
    "deepglobe-landcover",
    "roads-cil",
    "roads-epfl",
    "rasters/massachusetts",
]


@pytest.mark.real
@pytest.mark.parametrize("name", SETS)
def test_real_masks_come_back(tmp_path: Path, name: str) -> None:
    dataset = read_dataset(real_data() / name)
    sample = dataset.splits["val"][0]
    ids = read_sample(dataset, sample)[1]
    codes = mask_from_ids(dataset.label_mapping, ids)
    suffix = ".tif" if len(codes) == 1 else ".png"
    pixels = written(tmp_path, ids, real_data() / name, suffix)
    assert np.array_equal(pixels, codes)
    stored = type(sample)(sample.key, sample.image, tmp_path / f"out{suffix}", sample.group)
    assert np.array_equal(read_labels(dataset, stored), ids)
