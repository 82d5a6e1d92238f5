import pytest

from overland.cli.declared import read_dataclass, read_function
from overland.errors import UsageError
from overland.inference.options import PredictOptions, megabytes


@pytest.mark.parametrize(
    ("amount", "mb"), [("4GB", 4000), ("800 MB", 800), ("1.5gib", 1610.612736), (512, 512), ("512", 512), (0.5, 0.5)]
)
def test_amounts_as_people_write_them(amount, mb):
    assert megabytes(amount) == pytest.approx(mb)


@pytest.mark.parametrize("amount", ["", "much", "-1GB", "0", "4 Gb/s", "4PB", "1e3"])
def test_anything_else_is_refused(amount):
    with pytest.raises(UsageError, match="4GB or 800MB"):
        megabytes(amount)


def test_the_options_are_the_parameters_of_predict_with_the_same_texts():
    options = read_dataclass("overland.inference.options:PredictOptions").parameters
    verb = read_function("overland.workflows.predict:predict").parameters
    given = {name: item for name, item in verb.items() if not item.positional and name != "on_progress"}
    assert list(options) == list(given)
    for name, item in options.items():
        assert (item.annotation, item.default, item.help) == (
            given[name].annotation,
            given[name].default,
            given[name].help,
        ), name
        assert item.help


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chip_size": 0}, "--chip-size 0"),
        ({"chip_size": -5}, "--chip-size -5"),
        ({"overlap": -1}, "--overlap -1"),
        ({"bands": ()}, "counted from 1"),
        ({"bands": (0, 1)}, "counted from 1"),
        ({"threshold": float("nan")}, "from 0 to 1"),
        ({"threshold": 1.5}, "from 0 to 1"),
        ({"bounds": (1.0, 0.0, 0.0, 1.0)}, "left bottom right top"),
        ({"bounds": (0.0, 0.0, 1.0, 1.0), "area": "a.gpkg"}, "give one of them"),
        ({"engine": "caffe"}, "no engine 'caffe'"),
        ({"precision": "fp8"}, "no precision 'fp8'"),
        ({"tta": "turns"}, "no test-time augmentation 'turns'"),
        ({"resample": "yes"}, "no resampling 'yes'"),
        ({"max_memory": "much"}, "4GB or 800MB"),
        ({"creation": {"COMPRES": "ZSTD"}}, "COMPRES"),
    ],
)
def test_options_that_make_no_sense_are_refused_when_they_are_made(options, message):
    with pytest.raises(UsageError, match=message):
        PredictOptions(**options)


def test_names_of_creation_options_are_taken_in_any_case():
    assert PredictOptions(creation={"compress": "ZSTD"}).creation_options == {"COMPRESS": "ZSTD"}
