import shutil
from pathlib import Path

import pytest

from overland.datasets import read_dataset
from overland.errors import DataError
from overland.training.run_folder import (
    RunRecord,
    read_history,
    read_run,
    run_of_model,
    with_split_of_run,
    write_history,
    write_run,
)
from overland.training.settings import TrainSettings
from scenes import write_road_dataset


def unsplit(folder):
    """Scenes without a split of their own, so that one is drawn."""
    made = write_road_dataset(folder / "made", train=6, val=1, side=32)
    for kind in ("images", "masks"):
        (folder / "data" / kind).mkdir(parents=True)
        for path in sorted((made / kind / "train").iterdir()):
            path.rename(folder / "data" / kind / path.name)
    shutil.rmtree(made)
    return folder / "data"


def add(data, number):
    for kind in ("images", "masks"):
        shutil.copy(data / kind / "train0.tif", data / kind / f"added{number}.tif")


def names(dataset):
    return {split: sorted(sample.image.stem for sample in samples) for split, samples in dataset.splits.items()}


@pytest.fixture
def run(tmp_path):
    """A run, and the split that it had."""
    data = unsplit(tmp_path)
    dataset, folder = read_dataset(data), tmp_path / "run"
    folder.mkdir()
    write_run(folder, RunRecord(str(data), TrainSettings(epochs=3), root=str(dataset.root)), dataset)
    return folder, data, names(dataset)


def test_a_record_is_read_as_it_was_written(run):
    folder, data, _ = run
    assert read_run(folder) == RunRecord(str(data), TrainSettings(epochs=3), root=str(data))


def test_images_that_were_added_later_are_unseen_and_move_no_other(run, caplog):
    folder, data, before = run
    for number in range(6):
        add(data, number)
    drawn = read_dataset(data)
    assert set(names(drawn)["val"]) & set(before["train"]), "drawn again, an image that was trained on would be scored"
    found = names(with_split_of_run(drawn, folder))
    assert (found["train"], found["val"]) == (before["train"], before["val"])
    assert found["unseen"] == [f"added{number}" for number in range(6)]
    assert "was started: 6. They are its split 'unseen', neither trained on nor scored" in caplog.text


def test_a_split_outlives_a_move_of_the_data(run, tmp_path):
    folder, data, before = run
    data.rename(tmp_path / "elsewhere")
    add(tmp_path / "elsewhere", 1)
    found = names(with_split_of_run(read_dataset(tmp_path / "elsewhere"), folder))
    assert (found["train"], found["val"], found["unseen"]) == (before["train"], before["val"], ["added1"])


def test_another_dataset_with_the_same_names_keeps_its_own_split(run, tmp_path):
    folder, data, _ = run
    shutil.copytree(data, tmp_path / "other")
    other = read_dataset(tmp_path / "other", seed=5)
    assert with_split_of_run(other, folder) is other


def test_images_that_are_gone_are_told(run, caplog):
    folder, data, before = run
    for kind in ("images", "masks"):
        (data / kind / f"{before['train'][0]}.tif").unlink()
    found = names(with_split_of_run(read_dataset(data), folder))
    assert found == {"train": before["train"][1:], "val": before["val"]}
    assert "that are no longer in" in caplog.text


def test_the_run_of_a_model_is_found_from_the_run_and_from_its_bundle(run, tmp_path):
    folder, data, _ = run
    (folder / "weights" / "best").mkdir(parents=True)
    assert run_of_model(folder) == folder
    assert run_of_model(folder / "weights" / "best") == folder
    assert run_of_model(data) is None


@pytest.mark.parametrize(("text", "message"), [(None, "no args.yaml"), ("epochs: 3\n", "does not say which data")])
def test_a_folder_that_is_no_run(tmp_path, text, message):
    if text:
        (tmp_path / "args.yaml").write_text(text)
    with pytest.raises(DataError, match=message):
        read_run(tmp_path)


def test_history_has_a_row_for_each_epoch(tmp_path):
    path = Path(tmp_path / "results.csv")
    assert read_history(path) == []
    write_history(path, [{"epoch": 1.0, "val/iou": 0.5}, {"epoch": 2.0, "val/iou": float("nan")}])
    assert path.read_text(encoding="utf-8").splitlines() == ["epoch,val/iou", "1,0.5", "2,"]
    assert read_history(path)[0] == {"epoch": 1.0, "val/iou": 0.5}
