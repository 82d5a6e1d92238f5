import pytest

from overland.errors import DataError
from overland.legend import Legend, legend_from_dict, legend_from_names, match_classes


def test_the_background_is_found_by_its_name_only():
    assert legend_from_names(["background", "road"]).background == 0
    assert legend_from_names(["urban", "water"]).background is None


def test_binary_means_one_class_on_a_background():
    assert legend_from_names(["background", "road"]).is_binary
    assert not legend_from_names(["urban", "water"]).is_binary
    assert not legend_from_names(["background", "road", "building"]).is_binary


def test_colours_of_many_classes_differ():
    legend = legend_from_names([f"class {index}" for index in range(40)])
    assert len(set(legend.colors)) == 40


def test_a_mapping_of_ids_is_ordered_by_id():
    assert legend_from_names({1: "road", 0: "background"}).names == ("background", "road")


def test_a_mapping_with_a_gap_is_refused():
    with pytest.raises(DataError, match="without a gap"):
        legend_from_names({0: "background", 2: "road"})


def test_dict_round_trip():
    legend = legend_from_names(["background", "road"])
    assert legend_from_dict(legend.to_dict()) == legend


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"names": ["a"], "colors": []},
        {"names": ["a"], "colors": [[0, 0, 300]]},
        {"names": 3, "colors": [[0, 0, 0]]},
    ],
)
def test_a_malformed_dict_is_refused(values):
    with pytest.raises(DataError):
        legend_from_dict(values)


def test_names_must_differ():
    with pytest.raises(DataError, match="differ"):
        Legend(names=("road", "road"), colors=((0, 0, 0), (1, 1, 1)))


def test_id_from_name():
    legend = legend_from_names(["background", "road"])
    assert legend.id_from_name("road") == 1
    with pytest.raises(DataError, match="background, road"):
        legend.id_from_name("river")


def test_classes_are_matched_by_name_whatever_their_order():
    legend = legend_from_names(["background", "forest", "water"])
    other = legend_from_names(["Water", "background"])
    assert match_classes(legend, other, ("a", "b")) == (2, 0)
    with pytest.raises(DataError, match=r"b has the class 'sand', and a has background, forest, water"):
        match_classes(legend, legend_from_names(["background", "sand"]), ("a", "b"))


def test_capitals_are_told_apart_where_the_names_need_it():
    legend = legend_from_names(["Road", "road"])
    assert match_classes(legend, legend_from_names(["road", "Road"]), ("a", "b")) == (1, 0)
    with pytest.raises(DataError, match="'ROAD'"):
        match_classes(legend, legend_from_names(["ROAD"]), ("a", "b"))
