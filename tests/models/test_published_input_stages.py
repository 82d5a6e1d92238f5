import pytest

torch = pytest.importorskip("torch")

from overland.models.published import GreyL2


def test_grey_of_norm_one():
    image = torch.zeros(2, 3, 4, 9)
    image[0] = 200.0
    found = GreyL2()(image)
    torch.testing.assert_close(found[0], torch.full((1, 4, 9), 1 / 6))
    assert not found[1].any()


def test_bands_weigh_as_luma():
    image = torch.zeros(1, 3, 1, 3)
    image[0, 0, 0, 0] = image[0, 1, 0, 1] = image[0, 2, 0, 2] = 1.0
    luma = torch.tensor([0.299, 0.587, 0.114])
    torch.testing.assert_close(GreyL2()(image).flatten(), luma / luma.norm())


def test_it_has_nothing_to_learn_or_to_save():
    assert not list(GreyL2().parameters())
    assert not GreyL2().state_dict()
