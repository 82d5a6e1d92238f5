import pytest

from overland.errors import UsageError
from overland.inference.memory import megabytes


@pytest.mark.parametrize(
    ("amount", "mb"), [("4GB", 4000), ("800 MB", 800), ("1.5gib", 1610.612736), (512, 512), ("512", 512), (0.5, 0.5)]
)
def test_amounts_as_people_write_them(amount, mb):
    assert megabytes(amount) == pytest.approx(mb)


@pytest.mark.parametrize("amount", ["", "much", "-1GB", "0", "4 Gb/s", "4PB", "1e3"])
def test_anything_else_is_refused(amount):
    with pytest.raises(UsageError, match="4GB or 800MB"):
        megabytes(amount)
