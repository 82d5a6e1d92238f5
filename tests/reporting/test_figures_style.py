import re

from overland.reporting.figures import INK, new_figure, style_axes, svg_from_figure, write_figure


def _figure():
    figure = new_figure(3, 2)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1])
    style_axes(axes, "A title", "across", "down")
    return figure


def test_a_figure_in_a_page_takes_the_colours_of_the_page():
    svg = svg_from_figure(_figure(), "one")

    assert svg.startswith("<svg")
    assert "var(--ink)" in svg
    assert INK not in svg
    assert "A title" in svg


def test_ids_of_two_figures_do_not_meet():
    ids = [set(re.findall(r'id="([^"]+)"', svg_from_figure(_figure(), name))) for name in ("one", "two")]

    assert ids[0]
    assert not ids[0] & ids[1]


def test_every_reference_has_its_target():
    svg = svg_from_figure(_figure(), "one")
    wanted = set(re.findall(r'href="#([^"]+)"', svg)) | set(re.findall(r"url\(#([^)]+)\)", svg))

    assert wanted
    assert wanted <= set(re.findall(r'id="([^"]+)"', svg))


def test_the_same_figure_gives_the_same_text():
    assert svg_from_figure(_figure(), "one") == svg_from_figure(_figure(), "one")


def test_a_figure_is_written_whole(tmp_path):
    write_figure(_figure(), tmp_path / "a.png")

    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
