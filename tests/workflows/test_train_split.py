"""The split belongs to the run: evaluation and resume read it, and the seed reaches it."""

import csv
import shutil
from pathlib import Path

import pytest

from scenes import write_road_dataset

pytest.importorskip("torch")

from overland.training.loop import PreparedTraining
from overland.workflows.evaluate import evaluate
from overland.workflows.train import train

SETTINGS = {"model": {"width": 4, "depth": 1}, "epochs": 1, "batch": 4, "imgsz": 32}


def unsplit(folder):
    made = write_road_dataset(folder / "made", train=6, val=1, side=48)
    for kind in ("images", "masks"):
        (folder / "data" / kind).mkdir(parents=True)
        for path in sorted((made / kind / "train").iterdir()):
            path.rename(folder / "data" / kind / path.name)
    return folder / "data"


def splits_of(run):
    with (Path(run) / "splits.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: {Path(row["image"]).stem for row in rows if row["split"] == name} for name in ("train", "val")}


def test_a_run_keeps_its_split_when_images_are_added_and_is_resumed_from_any_folder(tmp_path, monkeypatch):
    data = unsplit(tmp_path)
    monkeypatch.chdir(tmp_path)
    run = train("data", project="runs", name="a", **SETTINGS)
    before = splits_of(run.run)
    for number in range(6):
        for kind in ("images", "masks"):
            shutil.copy(data / kind / "train0.tif", data / kind / f"added{number}.tif")
    # Drawn again among twelve images, the validation images would hold some that were trained on.
    scores = evaluate(run.run, "data", output=tmp_path / "scores")
    with (tmp_path / "scores" / "per_image.csv").open(encoding="utf-8") as file:
        scored = {Path(row["image"]).stem for row in csv.DictReader(file)}
    assert scored == before["val"]
    assert scores.images == len(before["val"])
    run_folder = Path(run.run).resolve()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    resumed = train(resume=run_folder)
    assert resumed.val.images == len(before["val"])
    assert splits_of(run_folder) == before


def test_another_seed_draws_another_split(tmp_path, monkeypatch):
    data = unsplit(tmp_path)

    def stopped(self, run_folder, *, resume=False):
        raise KeyboardInterrupt

    monkeypatch.setattr(PreparedTraining, "run", stopped)
    found = set()
    for seed in range(4):
        with pytest.raises(KeyboardInterrupt):
            train(data, project=str(tmp_path / "runs"), name=f"seed{seed}", seed=seed, **SETTINGS)
        found.add(frozenset(splits_of(tmp_path / "runs" / f"seed{seed}")["val"]))
    assert len(found) > 1
