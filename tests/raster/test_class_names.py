"""Class names that others wrote: categories, attribute tables, VRTs; empty and repeated ones."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio.shutil

from overland.errors import DataError
from overland.legend import legend_from_names
from overland.raster import open_scene, write_class_map
from overland.raster.class_names import read_legend
from scenes import utm_grid

IDS = np.arange(12, dtype=np.uint8).reshape(3, 4) % 3


def side_file(path, inner):
    path.with_name(f"{path.name}.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1">{inner}</PAMRasterBand></PAMDataset>'
    )


def table(columns, rows):
    fields = "".join(
        f'<FieldDefn index="{index}"><Name>{name}</Name><Type>0</Type><Usage>{usage}</Usage></FieldDefn>'
        for index, (name, usage) in enumerate(columns)
    )
    lines = "".join(f"<Row>{''.join(f'<F>{value}</F>' for value in row)}</Row>" for row in rows)
    return f"<GDALRasterAttributeTable>{fields}{lines}</GDALRasterAttributeTable>"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.tif"


@pytest.mark.parametrize("columns", [[("Value", 5), ("Class_Name", 2)], [("VALUE", 0), ("label", 0)]])
def test_an_attribute_table_names_the_classes(path, columns):
    side_file(path, table(columns, [(2, "water"), (0, "open"), (1, "forest")]))
    assert read_legend(str(path), None).names == ("open", "forest", "water")


def test_a_table_has_colours_and_ids_by_the_row_where_it_has_no_others(path):
    columns = [("Name", 2), ("R", 6), ("G", 7), ("B", 8)]
    side_file(path, table(columns, [("open", 1, 2, 3), ("forest", 4, 5, 6), ("broken",)]))
    legend = read_legend(str(path), None)
    assert legend.names == ("open", "forest", "broken")
    assert legend.colors == ((1, 2, 3), (4, 5, 6), (0, 0, 0))


def test_a_vrt_has_its_names_in_itself(tmp_path, path):
    write_class_map(path, IDS, utm_grid(3, 4), legend_from_names(["background", "forest", "water"]))
    rasterio.shutil.copy(path, tmp_path / "m.vrt", driver="VRT")
    assert "CategoryNames" in (tmp_path / "m.vrt").read_text()
    with open_scene(tmp_path / "m.vrt") as scene:
        assert scene.legend.names == ("background", "forest", "water")
        assert scene.legend.background == 0


def test_empty_names_get_names_of_their_own_and_those_at_the_end_go(path):
    names = ["", "", "Open water", "", *[""] * 252]
    side_file(path, f"<CategoryNames>{''.join(f'<Category>{name}</Category>' for name in names)}</CategoryNames>")
    assert read_legend(str(path), None).names == ("class 0", "class 1", "Open water")


def test_repeated_names_are_told_apart_by_their_ids(path):
    names = ["none", "forest", "none", "none (2)"]
    side_file(path, f"<CategoryNames>{''.join(f'<Category>{name}</Category>' for name in names)}</CategoryNames>")
    found = read_legend(str(path), None).names
    assert found[:2] == ("none (0)", "forest")
    assert len(set(found)) == 4


def test_no_names_are_no_legend_and_a_broken_file_is_named(path):
    assert read_legend(str(path), None) is None
    side_file(path, "<CategoryNames><Category/></CategoryNames>")
    assert read_legend(str(path), None) is None
    path.with_name("m.tif.aux.xml").write_text("<PAM")
    with pytest.raises(DataError, match="class names"):
        read_legend(str(path), None)
