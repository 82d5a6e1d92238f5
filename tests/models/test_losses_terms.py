import pytest

torch = pytest.importorskip("torch")

from overland.errors import UsageError
from overland.models import loss_from_terms, loss_needs_class_weights

NAMES = ("cross_entropy", "dice", "focal", "tversky", "focal_tversky", "lovasz", "cldice")


def made_batch(channels, seed=0):
    torch.manual_seed(seed)
    target = torch.randint(0, max(2, channels), (2, 8, 8))
    target[:, 2:5, 3:7] = 255
    return torch.randn(2, channels, 8, 8), target


def with_every_batch(test):
    return pytest.mark.parametrize("channels", [1, 3])(pytest.mark.parametrize("name", NAMES)(test))


@with_every_batch
def test_ignored_pixels_change_nothing(name, channels):
    logits, target = made_batch(channels)
    loss = loss_from_terms({name: 1}, num_outputs=channels)
    changed = torch.where((target == 255)[:, None], 50 * torch.randn_like(logits), logits)
    assert loss(changed, target).item() == loss(logits, target).item()


@with_every_batch
def test_labels_under_another_ignored_id_change_nothing(name, channels):
    logits, target = made_batch(channels)
    elsewhere = torch.where(target == 255, 200, target)
    one = loss_from_terms({name: 1}, num_outputs=channels)
    other = loss_from_terms({name: 1}, num_outputs=channels, ignore_index=200)
    assert other(logits, elsewhere).item() == one(logits, target).item()


@with_every_batch
def test_gradients_are_zero_at_ignored_pixels_and_not_elsewhere(name, channels):
    logits, target = made_batch(channels)
    logits.masked_fill_((target == 255)[:, None], float("inf")).requires_grad_()
    loss_from_terms({name: 1}, num_outputs=channels)(logits, target).backward()
    ignored = (target == 255)[:, None].expand_as(logits)
    assert torch.isfinite(logits.grad).all()
    assert not logits.grad[ignored].any()
    assert (logits.grad[~ignored] != 0).float().mean() > 0.5


@with_every_batch
def test_a_batch_without_labels_gives_zero_and_a_gradient(name, channels):
    logits = torch.randn(1, channels, 4, 4, requires_grad=True)
    loss = loss_from_terms({name: 1}, num_outputs=channels)(logits, torch.full((1, 4, 4), 255))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


@with_every_batch
def test_half_precision_gives_what_single_does(name, channels):
    # 90,000 pixels: their sum is beyond the 65,504 that half precision can hold.
    logits = torch.randn(1, channels, 300, 300).half()
    target = torch.randint(0, max(2, channels), (1, 300, 300), dtype=torch.uint8)
    loss = loss_from_terms({name: 1}, num_outputs=channels)
    assert loss(logits, target).dtype == torch.float32
    assert loss(logits, target).item() == loss(logits.float(), target.long()).item()


@with_every_batch
def test_the_gradient_is_that_of_differences(name, channels):
    torch.manual_seed(1)
    logits = torch.randn(1, channels, 5, 5, dtype=torch.float64, requires_grad=True)
    target = torch.randint(0, max(2, channels), (1, 5, 5))
    target[0, 0] = 255
    loss = loss_from_terms({name: 1}, num_outputs=channels)
    assert torch.autograd.gradcheck(lambda values: loss(values, target), logits)


def test_a_sum_is_the_sum_of_its_weighted_parts():
    logits, target = made_batch(3)
    terms = {"focal_tversky": {"weight": 0.6, "alpha": 0.7, "gamma": 0.75}, "cross_entropy": {"weight": 0.4}}
    loss = loss_from_terms(terms, num_outputs=3)
    parts = loss.parts(logits, target)
    assert list(parts) == ["focal_tversky", "cross_entropy"]
    expected = 0.6 * parts["focal_tversky"] + 0.4 * parts["cross_entropy"]
    assert loss(logits, target).item() == pytest.approx(expected.item())


def test_a_weight_of_zero_leaves_a_loss_out():
    loss = loss_from_terms({"cross_entropy": 1, "cldice": 0}, num_outputs=1)
    assert list(loss.parts(*made_batch(1))) == ["cross_entropy"]


def test_numbers_may_be_text_since_yaml_reads_1e_6_as_text():
    logits, target = made_batch(1)
    text, number = (loss_from_terms({"dice": {"smooth": value}}, num_outputs=1) for value in ("1e-6", 1e-6))
    assert text(logits, target).item() == number(logits, target).item()


def test_class_weights_move_with_the_module_and_stay_out_of_checkpoints():
    loss = loss_from_terms({"cross_entropy": 1}, num_outputs=1, class_weights=torch.tensor([1.0, 2.0]))
    assert loss.to("meta").class_weights.device.type == "meta"
    assert not loss.state_dict()


def test_who_needs_class_weights():
    assert loss_needs_class_weights({"dice": 1, "cross_entropy": {"weight": 0.4, "class_weights": True}})
    assert not loss_needs_class_weights({"cross_entropy": {"class_weights": False}, "dice": 1})
    assert not loss_needs_class_weights({"cross_entropy": 1})


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"crossentropy": 1}, "There is no loss 'crossentropy'; did you mean cross_entropy"),
        ({"bce": 1}, "There is no loss 'bce'; it is called cross_entropy here"),
        ({"focal": {"gama": 2}}, "The loss focal has no option 'gama'; did you mean gamma"),
        ({"lovasz": {"alpha": 2}}, "The loss lovasz has no option 'alpha'. Options: weight"),
        ({"dice": "much"}, "the weight of dice is a number from 0; got 'much'"),
        ({"dice": -1}, "the weight of dice is a number from 0; got -1"),
        ({"dice": True}, "the weight of dice is a number from 0; got True"),
        ({"dice": {"smooth": 0}}, "smooth keeps an empty class .* above 0"),
        ({"cldice": {"iterations": 2.5}}, "cldice's iterations is a whole number from 1; got 2.5"),
        ({"cross_entropy": {"class_weights": 1}}, "cross_entropy's class_weights is true or false; got 1"),
        ({"cross_entropy": {"class_weights": True}}, "needs the weights of the classes; none were given"),
        ({"tversky": {"alpha": 1.5}}, "would be negative. Give both"),
        ({"focal": {"alpha": 2}}, "focal's alpha .* within 0..1"),
        ({"dice": 0}, "a loss with a weight above 0"),
        ({}, "a loss with a weight above 0"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_first_step(terms, message):
    with pytest.raises(UsageError, match=message):
        loss_from_terms(terms, num_outputs=1)


def test_alpha_of_focal_is_for_one_output():
    with pytest.raises(UsageError, match="needs a model of one output; got 0.25 for 3"):
        loss_from_terms({"focal": {"alpha": 0.25}}, num_outputs=3)


def test_class_weights_that_do_not_fit_the_classes_are_refused():
    with pytest.raises(UsageError, match="3 classes need 3 class weights"):
        loss_from_terms({"cross_entropy": 1}, num_outputs=3, class_weights=torch.ones(2))
