import errno
import hashlib

import numpy as np
import pytest
import rasterio
from affine import Affine

from overland.errors import ResourceError
from overland.legend import legend_from_names
from overland.raster import Grid, create_raster, open_scene
from overland.raster import row_blocks as row_bands_module
from overland.raster.journal import journal_folder, open_journal
from overland.raster.row_blocks import RowBlocks, RowBlocksOutput, are_own_outputs, iter_row_blocks
from overland.raster.write import RasterProfile

LEGEND = legend_from_names(["background", "road & track"])
GRID = Grid(height=1300, width=600, transform=Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000), crs="EPSG:32633")
RNG = np.random.default_rng(0)
MASK = RNG.integers(0, 2, (1, 1300, 600), dtype=np.uint8)
SCORES = RNG.random((2, 1300, 600), dtype=np.float32)
SCORES[:, 5, 5] = np.nan


def outputs_in(folder):
    return {
        "mask": RowBlocksOutput(folder / "m.tif", RasterProfile(GRID, nodata=255, legend=LEGEND)),
        "scores": RowBlocksOutput(
            folder / "s.tif", RasterProfile(GRID, 2, "float32", float("nan"), descriptions=("a", "b"))
        ),
    }


def work(folder, *, only=None, assemble=True, remove=True):
    """Make what is missing, or the bands at some rows only; gives the rows that were missing."""
    with open_journal(folder / "m.tif", {}) as journal:
        bands = RowBlocks(journal, outputs_in(folder))
        missing = bands.missing()
        for first, end in missing:
            for row, stop in iter_row_blocks(end, first):
                if only is None or row in only:
                    bands.write(row, {"mask": MASK[:, row:stop], "scores": SCORES[:, row:stop]}, {"first": row})
        if assemble:
            bands.assemble()
            assert bands.is_done
            assert bands.missing() == []
            assert [note["first"] for note in bands.notes] == [0, 512, 1024]
        if remove:
            journal.remove()
    return missing


def hashes(folder):
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("m.tif", "s.tif")]


def test_bands_break_at_multiples_of_512():
    assert list(iter_row_blocks(1300)) == [(0, 512), (512, 1024), (1024, 1300)]
    assert list(iter_row_blocks(1024, 700)) == [(700, 1024)]
    assert list(iter_row_blocks(0)) == []


def test_the_bytes_are_those_of_a_raster_written_in_one_go(tmp_path):
    work(tmp_path)
    (tmp_path / "one").mkdir()
    one = tmp_path / "one"
    with create_raster(one / "m.tif", GRID, nodata=255, legend=LEGEND) as writer:
        writer.write(MASK, GRID.window)
    with create_raster(
        one / "s.tif", GRID, count=2, dtype="float32", nodata=float("nan"), descriptions=("a", "b")
    ) as writer:
        writer.write(SCORES, GRID.window)
    assert hashes(tmp_path) == hashes(one)
    assert (tmp_path / "m.tif.aux.xml").read_bytes() == (one / "m.tif.aux.xml").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.tif", "m.tif.aux.xml", "one", "s.tif"]


def test_only_what_is_missing_is_made_and_the_bytes_are_the_same(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    work(tmp_path / "a")
    assert work(tmp_path / "b", only=[512], assemble=False, remove=False) == [(0, 1300)]
    assert work(tmp_path / "b", only=[0], assemble=False, remove=False) == [(0, 512), (1024, 1300)]
    assert work(tmp_path / "b") == [(1024, 1300)]
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_band_is_made_again(tmp_path, damage, caplog):
    work(tmp_path, assemble=False, remove=False)
    path = journal_folder(tmp_path / "m.tif") / "scores-000000512.tif"
    raw = bytearray(path.read_bytes())
    raw[5000] ^= 1
    {"flip": lambda: path.write_bytes(raw), "cut": lambda: path.write_bytes(raw[:1000]), "gone": path.unlink}[damage]()
    assert work(tmp_path) == [(512, 1024)]
    assert "Rows 512 to 1024 were damaged" in caplog.text
    with open_scene(tmp_path / "s.tif") as scene:
        np.testing.assert_array_equal(scene.read()[0], SCORES)


def test_a_disk_that_fills_up_loses_nothing_that_was_made(tmp_path, monkeypatch):
    work(tmp_path, only=[0], assemble=False, remove=False)

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(row_bands_module, "fsync_file", full)
        with pytest.raises(ResourceError, match="disk is full.*continues"):
            work(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(row_bands_module, "copy_to_output", full)
        with pytest.raises(ResourceError, match="disk is full.*continues"):
            work(tmp_path)
    assert not (tmp_path / "m.tif").exists()
    assert work(tmp_path) == []
    with rasterio.open(tmp_path / "m.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), MASK)


def test_an_output_that_is_done_is_not_made_again_unless_it_was_changed(tmp_path):
    work(tmp_path, remove=False)
    assert [path.name for path in journal_folder(tmp_path / "m.tif").iterdir() if path.suffix == ".tif"] == []
    with open_journal(tmp_path / "m.tif", {}) as journal:
        bands = RowBlocks(journal, outputs_in(tmp_path))
        assert bands.is_done
        assert len(bands.notes) == 3
    (tmp_path / "m.tif").write_bytes(b"changed")
    assert work(tmp_path) == [(0, 1300)]


def test_outputs_are_told_from_files_of_others(tmp_path):
    paths = {kind: output.path for kind, output in outputs_in(tmp_path).items()}
    assert not are_own_outputs(paths)
    work(tmp_path, assemble=False, remove=False)
    assert not are_own_outputs(paths)
    work(tmp_path, remove=False)
    assert are_own_outputs(paths)
    (tmp_path / "s.tif").write_bytes(b"changed")
    assert not are_own_outputs(paths)


def test_a_wide_raster_is_checked_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(row_bands_module, "_PIECE_BYTES", 1)
    assert work(tmp_path) == [(0, 1300)]
