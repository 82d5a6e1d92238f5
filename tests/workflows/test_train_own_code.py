"""Losses, metrics, augmentations and networks of the user's own, given to `ol.train` as Python objects."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from scenes import write_road_dataset

torch = pytest.importorskip("torch")

from overland.bundle import load_bundle
from overland.datasets import read_dataset
from overland.errors import UsageError
from overland.workflows.predict import predict
from overland.workflows.train import train

SETTINGS = {"epochs": 1, "batch": 4, "imgsz": 32, "lr": 0.01}
SMALL = {"width": 4, "depth": 1}


@pytest.fixture(scope="module")
def roads(tmp_path_factory):
    return write_road_dataset(tmp_path_factory.mktemp("roads"), train=2, val=1, side=64)


def squared(logits, labels, power=2.0):
    known = labels != 255
    return ((torch.sigmoid(logits[:, 0]) - (labels == 1).float()).abs()[known] ** power).mean()


class Hinge(torch.nn.Module):
    def __init__(self, margin=1.0):
        super().__init__()
        self.margin = margin

    def forward(self, logits, labels):
        sign = torch.where(labels == 1, 1.0, -1.0)
        return torch.relu(self.margin - sign * logits[:, 0])[labels != 255].mean()


class PooledAccuracy:
    """A metric with the methods of torchmetrics."""

    def reset(self):
        self.right = self.known = 0

    def update(self, predicted, truth):
        known = truth != 255
        self.right += int((predicted == truth)[known].sum())
        self.known += int(known.sum())

    def compute(self):
        return self.right / self.known


class Net(torch.nn.Module):
    size_divisor = 1

    def __init__(self, in_channels, classes, width=4):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(in_channels, width, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(width, classes, 1)
        )

    def forward(self, image):
        return self.layers(image)


def rows_of(run):
    with (Path(run.run) / "results.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_own_loss_metric_and_augmentation_take_part(roads, tmp_path):
    seen = []

    def augment(pixels, labels, rng):
        seen.append((pixels.shape, labels.shape, round(float(rng.random()), 6)))
        return pixels[::-1], labels[::-1]

    run = train(
        roads,
        model=SMALL,
        loss={squared: {"weight": 1.0, "power": 1.0}, Hinge: {"margin": 2.0}, "dice": 0.5},
        metrics={"share": lambda truth, mask: float((mask == 1).mean()), "accuracy": PooledAccuracy},
        monitor="accuracy",
        augment=augment,
        project=tmp_path.as_posix(),
        **SETTINGS | {"epochs": 2},
    )
    assert seen[0][:2] == ((32, 32, 3), (32, 32))
    # Two epochs of eight chips; those of the first are looked at once more before it.
    assert len({number for *_, number in seen}) == 16
    row = rows_of(run)[-1]
    assert 0 <= float(row["val/share"]) <= 1
    assert float(row["val/accuracy"]) == pytest.approx(float(row["val/pixel_accuracy"]), abs=0.5)
    args = yaml.safe_load((Path(run.run) / "args.yaml").read_text(encoding="utf-8"))
    assert [name.rpartition(":")[2] for name in args["loss"]] == ["squared", "Hinge", "dice"]
    assert args["augment"].startswith("given:")
    with pytest.raises(UsageError, match="has no name to import it by"):
        train(resume=run.run)
    with pytest.raises(UsageError, match="was started with another loss"):
        train(resume=run.run, loss=Hinge)
    assert json.loads(json.dumps(run.to_dict()))["run"] == run.run


@pytest.mark.parametrize("network", [Net, lambda in_channels, classes: Net(in_channels, classes), Net(3, 1)])
def test_any_module_trains_and_its_bundle_carries_the_graph(roads, tmp_path, network):
    run = train(roads, model=network, project=str(tmp_path), **SETTINGS)
    bundle = load_bundle(run.model)
    assert bundle.graph_path.is_file()
    assert ":" in bundle.model["architecture"]
    scene = roads / "images" / "val" / "val0.tif"
    predict(bundle, scene, tmp_path / "map.tif", engine="onnx")
    with pytest.raises(UsageError, match="somebody's own"):
        predict(bundle, scene, tmp_path / "torch.tif", engine="torch")


def test_options_reach_a_network_of_ones_own(roads, tmp_path):
    run = train(roads, model={"architecture": Net, "width": 6}, project=str(tmp_path), **SETTINGS)
    assert load_bundle(run.model).model["width"] == 6


def test_a_dataset_may_be_a_python_object(roads, tmp_path):
    dataset = read_dataset(roads)
    run = train(dataset, model=SMALL, project=str(tmp_path), **SETTINGS)
    with pytest.raises(UsageError, match="dataset made in Python; give it again"):
        train(resume=run.run)
    assert train(dataset, resume=run.run).val.headline["value"] == run.val.headline["value"]


class Shrinking(Net):
    def forward(self, image):
        return super().forward(image)[..., ::2, ::2]


def fixed_size_only(in_channels, classes):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(in_channels * 32 * 32, 32 * 32 * classes))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": Shrinking}, "must give logits"),
        ({"model": fixed_size_only}, "fails on a chip"),
        ({"model": {"architecture": Net, "widht": 3}}, "cannot be built from"),
        ({"model": {"architecture": "no_such_module:Net"}}, "no_such_module cannot be imported"),
        ({"model": {"architecture": "json:Net"}}, "the module json has no Net"),
        ({"model": lambda in_channels, classes: None}, "must give a torch.nn.Module"),
        ({"loss": {"json:loads": 1.0}}, "fails on a batch"),
        ({"loss": lambda logits, labels: logits}, "must give one number"),
        ({"loss": {Hinge: {"margn": 1}}}, "cannot be made with the options"),
        ({"loss": {"cross_entropy": -1}}, "number from 0"),
        ({"metrics": {"m": "json:nothing"}}, "has no nothing"),
        ({"encoder_weights": "none.npz", "model": {"architecture": "FPN", "encoder": "mobilenet_v2"}}, "do not exist"),
        ({"device": "cuda"}, "no CUDA GPU"),
        ({"imgsz": 33}, "must be a multiple of"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(roads, tmp_path, settings, message):
    if settings.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UsageError, match=message):
        train(roads, project=str(tmp_path / "runs"), **{"model": SMALL} | SETTINGS | settings)
    assert not (tmp_path / "runs").exists()


def test_an_augmentation_that_changes_the_size_is_one_clear_error(roads, tmp_path):
    with pytest.raises(UsageError, match="must keep the size"):
        train(roads, model=SMALL, project=str(tmp_path), augment=lambda p, m, rng: (p[1:], m), **SETTINGS)


def test_random_numbers_of_an_augmentation_do_not_depend_on_workers_or_order(roads):
    from overland.datasets.chips import band_statistics
    from overland.training.data import training_loader
    from overland.training.settings import TrainSettings

    dataset = read_dataset(roads)
    settings = TrainSettings(imgsz=32, batch=1)

    def noise(pixels, labels, rng):
        return pixels + rng.normal(size=pixels.shape), labels

    chips = training_loader(dataset, settings, band_statistics(dataset, "train"), augment=noise).dataset
    first, other = (chips[0, index][0].numpy() for index in (0, 1))
    assert np.array_equal(chips[0, 0][0].numpy(), first)
    assert not np.array_equal(first, other)
    assert not np.array_equal(chips[1, 0][0].numpy(), first)
