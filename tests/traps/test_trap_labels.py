"""Traps of reading labels: the published way, in a few lines, gives the published figure; ours must not."""

import random

import numpy as np
import pytest
from PIL import Image

from drawn_roads import mask_from_lines
from made_sets import make_image, real_data, save
from overland.datasets import read_dataset, read_sample
from overland.datasets.check import check_dataset
from overland.datasets.dataset import read_labels
from overland.errors import DataError, UsageError
from overland.metrics import confusion_matrix, scores_from_confusion
from overland.workflows.evaluate import labelled_samples

SIDE = 256
LINES = [[(-20, 30), (276, 120)], [(40, -20), (200, 276)], [(276, 60), (-20, 230)]]
ROAD = mask_from_lines(LINES, width=12, size=SIDE).astype(np.uint8)


def write_pair(folder, mask, name="a", suffix=".png", split="train", **options):
    size = mask.shape[:2]
    save(folder / "images" / split / f"{name}.png", make_image(sum(map(ord, name)), size))
    return save(folder / "masks" / split / f"{name}{suffix}", mask, **options)


def targets(dataset, split="train"):
    return [read_labels(dataset, sample) for sample in dataset.splits[split]]


def published_scores_of_ids(truth, mask):
    """Accuracy and mean IoU of two classes with 255 left out and an absent class at 0."""
    labelled = truth != 255
    ious = []
    for index in (0, 1):
        true, found = (truth == index) & labelled, (mask == index) & labelled
        ious.append((true & found).sum() / max((true | found).sum(), 1))
    return (truth == mask)[labelled].mean(), np.mean(ious)


def test_masks_of_0_and_255_are_not_read_as_ids(tmp_path):
    blind = np.zeros_like(ROAD)
    # Published: road is 255, which is "ignore". A model that finds nothing is perfect on what is left.
    assert published_scores_of_ids(ROAD * 255, blind) == (1.0, 0.5)

    for split in ("train", "validation"):
        save(tmp_path / split / "a.jpg", make_image(0, ROAD.shape))
        save(tmp_path / f"{split}_annotation" / "a.png", ROAD * 255)
    dataset = read_dataset(tmp_path)
    # Told before the first step: `train` logs the notes of a dataset before it builds a network.
    assert any("from 128 on is" in note for note in dataset.notes)
    for split in ("train", "val"):
        np.testing.assert_array_equal(targets(dataset, split)[0], ROAD)
    scores = scores_from_confusion(confusion_matrix(targets(dataset)[0], blind, 2), dataset.legend)
    assert scores["iou"] == 0
    assert scores["miou"] < 0.5


def test_the_loss_of_a_blind_model_on_masks_of_0_and_255_does_not_fall_to_nothing(tmp_path):
    torch = pytest.importorskip("torch")
    losses = pytest.importorskip("overland.models")
    loss = losses.loss_from_terms({"cross_entropy": 1}, num_outputs=2)
    blind = torch.tensor([20.0, -20.0]).reshape(1, 2, 1, 1).expand(1, 2, SIDE, SIDE)
    assert loss(blind, torch.tensor(ROAD * 255)[None]).item() == pytest.approx(0, abs=1e-6)

    write_pair(tmp_path, ROAD * 255)
    read = targets(read_dataset(tmp_path))[0]
    assert loss(blind, torch.tensor(read)[None]).item() > 1


def published_dice(scores, mask):
    return 2 * (scores * mask).sum() / (scores.sum() + mask.sum())


def test_dice_of_a_perfect_prediction_is_1_and_not_2(tmp_path):
    # Published: scores from 0 to 1 against a mask of 0 and 255.
    assert published_dice(ROAD.astype(float), ROAD.astype(float) * 255) == pytest.approx(1.99, abs=5e-3)

    write_pair(tmp_path, ROAD * 255)
    dataset = read_dataset(tmp_path)
    scores = scores_from_confusion(confusion_matrix(targets(dataset)[0], ROAD, 2), dataset.legend)
    assert scores["f1"] == 1


def test_jpeg_masks_are_binarised_at_128(tmp_path):
    path = write_pair(tmp_path, ROAD * 255, suffix=".jpg", quality=75)
    stored = np.asarray(Image.open(path))
    for published in (stored > 0, stored > 1):
        iou = (published & (ROAD == 1)).sum() / (published | (ROAD == 1)).sum()
        assert 0.70 < iou < 0.90

    for quality in (95, 75, 50, 30):
        write_pair(tmp_path / str(quality), ROAD * 255, suffix=".jpg", quality=quality)
        dataset = read_dataset(tmp_path / str(quality))
        np.testing.assert_array_equal(targets(dataset)[0], ROAD)
        assert any("binarised at 128" in note for note in dataset.notes)


@pytest.mark.real
def test_real_road_masks_survive_jpeg(tmp_path):
    roads = read_dataset(real_data() / "deepglobe-road")
    truths = [target == 1 for target in targets(roads)]
    published = []
    for number, truth in enumerate(truths):
        path = write_pair(tmp_path, truth * np.uint8(255), name=f"img{number}", suffix=".jpg", quality=75)
        published.append(np.asarray(Image.open(path)) > 1)
    both, either = (
        sum(f(a, b).sum() for a, b in zip(published, truths, strict=True)) for f in (np.minimum, np.maximum)
    )
    assert both / either < 0.8

    reread = read_dataset(tmp_path)
    stored = {sample.image.stem: read_labels(reread, sample) for split in reread.splits.values() for sample in split}
    for number, truth in enumerate(truths):
        np.testing.assert_array_equal(stored[f"img{number}"] == 1, truth)


def write_tiles(folder, tiles=5, chips=8):
    """Chips of a few tiles, named by tile, row and column."""
    for tile in range(tiles):
        for chip in range(chips):
            write_pair(folder, np.eye(8, dtype=np.uint8), name=f"tile{tile}_{chip}_0")
    return folder


def test_chips_of_one_tile_are_on_one_side_of_the_split_and_a_seed_repeats_it(tmp_path):
    folder = write_tiles(tmp_path)
    names = sorted(path.stem for path in (folder / "images" / "train").iterdir())

    def published_split(shuffle):
        drawn = names.copy()
        shuffle(drawn)
        return set(drawn[:32]), set(drawn[32:])

    def tiles(keys):
        return {key.rpartition("/")[2].split("_")[0] for key in keys}

    train, val = published_split(random.Random(1).shuffle)
    assert len(tiles(val) & tiles(train)) >= 4  # nearly every tile is on both sides
    assert published_split(random.Random(2).shuffle)[1] != val  # and nobody knows which seed it was

    def our_split(seed):
        splits = read_dataset(folder, seed=seed).splits
        return tuple({sample.key for sample in splits[name]} for name in ("train", "val"))

    train, val = our_split(seed=0)
    assert (len(train), len(val)) == (32, 8)
    assert not tiles(train) & tiles(val)
    assert our_split(seed=0) == (train, val)
    assert any(our_split(seed)[1] != val for seed in range(1, 5))


def test_a_split_through_a_drive_is_found(tmp_path):
    for split, frames in (("train", (0, 2, 4)), ("val", (1, 3))):
        for frame in frames:
            name = f"drive{frame % 2}_00{frame}"
            save(tmp_path / split / f"{name}.png", make_image(frame))
            save(tmp_path / f"{split}annot" / f"{name}.png", np.eye(24, 32, dtype=np.uint8))
    together = {issue.code for issue in check_dataset(tmp_path).issues}
    assert "group-in-two-splits" not in together
    save(tmp_path / "val" / "drive0_006.png", make_image(6))
    save(tmp_path / "valannot" / "drive0_006.png", np.eye(24, 32, dtype=np.uint8))
    apart = {issue.code for issue in check_dataset(tmp_path).issues}
    assert "group-in-two-splits" in apart


def test_validation_is_not_handed_out_as_test(tmp_path):
    dataset = read_dataset(write_tiles(tmp_path, tiles=2, chips=2))
    with pytest.raises(UsageError, match="no split 'test'; it has train, val"):
        labelled_samples(dataset, "test")


def test_images_and_masks_are_paired_by_name_not_by_place_in_a_listing(tmp_path):
    for number in (1, 10, 2):
        mask = np.zeros((24, 32), np.uint8)
        mask[number] = 1
        image = make_image(0)
        image[number] = 255
        save(tmp_path / "images" / "train" / f"tile{number}.png", image)
        save(tmp_path / "masks" / "train" / f"tile{number}_mask.png", mask)

    # Published: two listings, zipped; here even sorted ones, since "." sorts before "0" and "_" after it.
    images, masks = (sorted((tmp_path / folder / "train").iterdir()) for folder in ("images", "masks"))
    published = [image.stem == mask.stem.removesuffix("_mask") for image, mask in zip(images, masks, strict=True)]
    assert published.count(False) == 2

    dataset = read_dataset(tmp_path)
    for samples in dataset.splits.values():
        for sample in samples:
            image, target, _ = read_sample(dataset, sample)
            np.testing.assert_array_equal(target == 1, (image == 255).all(axis=0))


def test_an_image_without_a_mask_stops_the_reading_and_does_not_shift_the_pairs(tmp_path):
    for name in ("a", "b", "c"):
        write_pair(tmp_path, np.eye(24, 32, dtype=np.uint8), name=name)
    (tmp_path / "masks" / "train" / "b.png").unlink()
    with pytest.raises(DataError, match=r"1 of 3 images in train without a mask: .*b\.png"):
        read_dataset(tmp_path)


CLASSES = {0: (0, 255, 255), 1: (255, 255, 0), 2: (0, 255, 0)}


def test_colours_become_ids_and_not_shades_of_grey(tmp_path):
    ids = (np.arange(24 * 32) % 3).astype(np.uint8).reshape(24, 32)
    path = write_pair(tmp_path, np.array(list(CLASSES.values()), np.uint8)[ids])
    published = np.asarray(Image.open(path).convert("L"))
    assert not set(np.unique(published)) & set(CLASSES)  # luminance: 179, 226, 150

    with pytest.raises(DataError, match="no colours are declared"):
        read_dataset(tmp_path)
    palette = ", ".join(f"{index}: {list(color)}" for index, color in CLASSES.items())
    (tmp_path / "data.yaml").write_text(
        f"path: .\ntrain: images/train\nnames: {{0: urban, 1: field, 2: forest}}\npalette: {{{palette}}}\n"
    )
    np.testing.assert_array_equal(targets(read_dataset(tmp_path))[0], ids)


def test_grey_masks_saved_as_rgb_are_one_band_of_ids(tmp_path):
    ids = np.eye(24, 32, dtype=np.uint8)
    write_pair(tmp_path, np.repeat(ids[:, :, None], 3, axis=2))
    np.testing.assert_array_equal(targets(read_dataset(tmp_path))[0], ids)


def test_void_is_neither_trained_nor_scored(tmp_path):
    ids = (np.arange(24 * 32) % 12).astype(np.uint8).reshape(24, 32)
    for split in ("train", "val"):
        save(tmp_path / split / f"{split}_1.png", make_image(1))
        save(tmp_path / f"{split}annot" / f"{split}_1.png", ids)
    dataset = read_dataset(tmp_path)
    assert dataset.legend.num_classes == 11
    np.testing.assert_array_equal(targets(dataset)[0], np.where(ids == 11, 255, ids))
    # Published: twelve classes, and a model that calls void by its name has one class for free.
    wrong_but_for_void = np.where(ids == 11, 11, (ids + 1) % 11).astype(np.uint8)
    scored = confusion_matrix(targets(dataset)[0], wrong_but_for_void % 11, 11)
    assert (wrong_but_for_void == ids).mean() == pytest.approx(1 / 12)
    assert scores_from_confusion(scored, dataset.legend)["pixel_accuracy"] == 0
