"""Traps of networks and of training: the published way, in a few lines, gives the published figure; ours must not."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
load_file = pytest.importorskip("safetensors.numpy").load_file

from drawn_roads import mask_from_lines
from made_sets import real_data, save
from models_made import threshold_bundle
from overland.datasets import read_dataset
from overland.datasets.chips import BandStatistics, ChipCutter, ChipSettings
from overland.datasets.dataset import read_labels
from overland.models.unet import double_conv
from overland.raster import open_scene
from overland.training.module import SegmentationModule
from overland.training.run_folder import read_history
from overland.training.settings import Reproduce, TrainSettings, recipe_names, train_settings_from_source
from overland.workflows.predict import predict
from overland.workflows.train import train
from scenes import utm_grid, write_image, write_road_dataset

SIDE = 512
LINES = [[(-20, 60), (532, 250)], [(80, -20), (400, 532)], [(532, 110), (-20, 470)]]
ROAD = mask_from_lines(LINES, width=10.5, size=SIDE)


def iou(mask, truth):
    return (mask & truth).sum() / (mask | truth).sum()


def published_resize(pixels, side):
    """Bilinear, without a filter against aliasing: at 4x the mean of the four pixels in the middle."""
    cv2 = pytest.importorskip("cv2")
    return cv2.resize(pixels, (side, side), interpolation=cv2.INTER_LINEAR)


def test_a_perfect_model_at_a_quarter_of_the_resolution_cannot_map_roads(tmp_path):
    pixels = np.where(ROAD, 200, 60).astype(np.uint8)
    perfect_at_a_quarter = published_resize(pixels, SIDE // 4) > 127.5
    published = np.kron(perfect_at_a_quarter, np.ones((4, 4), bool))
    assert iou(published, ROAD) == pytest.approx(0.84, abs=0.015)

    scene = write_image(tmp_path / "scene.tif", pixels[None], utm_grid(SIDE, SIDE))
    predict(threshold_bundle(tmp_path / "model"), scene, tmp_path / "mask.tif", chip_size=128)
    with open_scene(tmp_path / "mask.tif") as mask:
        assert iou(mask.read()[0][0] == 1, ROAD) == 1


@pytest.mark.real
def test_real_road_masks_at_a_quarter_of_the_resolution_have_a_ceiling():
    roads = read_dataset(real_data() / "deepglobe-road")
    truth = np.stack([read_labels(roads, sample) == 1 for split in ("train", "val") for sample in roads.splits[split]])
    published = [
        np.kron(published_resize(mask * np.uint8(255), mask.shape[0] // 4) > 127, np.ones((4, 4), bool))
        for mask in truth
    ]
    assert iou(np.stack(published), truth) == pytest.approx(0.82, abs=0.01)


def test_images_are_not_shrunk_by_their_nearest_pixels(tmp_path):
    cv2 = pytest.importorskip("cv2")
    image = np.full((64, 64, 3), 60, np.uint8)
    image[:, 1::4] = 200  # lines of one pixel
    published = cv2.resize(image, (16, 16), interpolation=cv2.INTER_NEAREST)
    assert published.max() == 60  # every line is gone

    save(tmp_path / "images" / "train" / "a.png", image)
    save(tmp_path / "masks" / "train" / "a.png", np.eye(64, dtype=np.uint8))
    plain = BandStatistics((0.0,) * 3, (1.0,) * 3, "uint8")
    config = TrainSettings()
    settings = ChipSettings(32, fixed_size=config.reproduce.resize, nearest=config.reproduce.resize_nearest)
    cutter = ChipCutter(read_dataset(tmp_path), "train", settings, plain)
    chips = [cutter.cut(0, index)[0] for index in range(len(cutter))]
    # Cut between pixels at most, so that half of a line's contrast is left at least.
    assert all(chip.max() >= 130 for chip in chips)


def test_the_second_activation_of_a_block_is_no_clip():
    torch.manual_seed(0)
    chips = torch.randn(4, 3, 16, 16)
    # Published: ReLU(0.2), whose argument is the highest value, where LeakyReLU(0.2) was meant.
    clipped = double_conv(3, 8, norm="batch", activation="leaky_relu(0.2)", second_activation="clipped_relu(0.2)")
    published = clipped(chips)
    assert (published.min().item(), published.max().item()) == (0, pytest.approx(0.2))
    assert ((published == 0) | (published == published.max())).float().mean() > 0.8  # nearly a bit for each number

    ours = double_conv(3, 8, norm="batch", activation="leaky_relu(0.2)")(chips)
    assert ours.max() > 1
    assert ours.min() < -0.1


@pytest.mark.parametrize("name", [name for name in recipe_names() if not name.endswith("-published")])
def test_no_recipe_but_a_published_one_has_a_published_fault(name):
    config = train_settings_from_source(name, {})
    assert "clipped_relu" not in str(config.model)
    assert config.reproduce == Reproduce()
    assert config.patience > 0


SCRIPT = (0.3, 0.9, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4)


def published_run(scores):
    """Builds what stops early and never passes it, builds a schedule and never steps it, saves what comes last."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4])
    rates = [optimizer.param_groups[0]["lr"] for _ in scores]
    return len(scores), scores[-1], rates


@pytest.fixture(scope="module")
def scripted_run(tmp_path_factory):
    """A run of up to eight epochs whose validation scores are given, so that the second is known to be the best."""
    folder = tmp_path_factory.mktemp("traps")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            SegmentationModule,
            "_pooled_scores",
            lambda module: {"val/iou": SCRIPT[module.current_epoch], "val/iou/road": SCRIPT[module.current_epoch]},
        )
        weights = []
        ended = SegmentationModule.on_validation_epoch_end

        def keep_weights(module):
            weights.append({name: value.clone() for name, value in module.network.state_dict().items()})
            ended(module)

        patch.setattr(SegmentationModule, "on_validation_epoch_end", keep_weights)
        run = train(
            write_road_dataset(folder / "roads", train=2, val=1, side=64),
            project=str(folder),
            model={"width": 4, "depth": 1},
            epochs=len(SCRIPT),
            batch=4,
            imgsz=32,
            patience=2,
            schedule="step",
            lr_epochs=[2, 3],
            ema=0.0,
        )
    return run, weights, read_history(folder / "train" / "results.csv")


def test_a_run_that_gets_no_better_is_stopped(scripted_run):
    assert published_run(SCRIPT)[0] == len(SCRIPT)
    _, _, rows = scripted_run
    assert [row["val/iou"] for row in rows] == list(SCRIPT[:4])


def test_the_model_of_a_run_is_its_best_epoch_and_not_its_last(scripted_run):
    assert published_run(SCRIPT)[1] == 0.4
    run, weights, _ = scripted_run
    assert Path(run.model).name == "best"
    for model, epoch in (("best", SCRIPT.index(max(SCRIPT))), ("last", 3)):
        kept = load_file(Path(run.run) / "weights" / model / "model.safetensors")
        for name, value in weights[epoch].items():
            np.testing.assert_array_equal(kept[name], value.numpy(), err_msg=f"{model}: {name}")


def test_the_schedule_is_stepped(scripted_run):
    assert set(published_run(SCRIPT)[2]) == {0.1}
    _, _, rows = scripted_run
    rates = [row["lr"] for row in rows]
    assert rates[0] > rates[-1]
    assert len(set(rates)) == 3
