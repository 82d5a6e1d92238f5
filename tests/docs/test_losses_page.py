"""The page on losses: what it says can be written into a YAML can, and it leaves no option out."""

import inspect
import re
from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch")

import torch

from overland.models import loss_from_terms, losses

PAGE = (Path(__file__).parents[2] / "docs" / "losses.md").read_text(encoding="utf-8")
LOSSES = (
    losses.cross_entropy,
    losses.dice,
    losses.focal,
    losses.tversky,
    losses.focal_tversky,
    losses.lovasz,
    losses.cldice,
)


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_every_example_is_a_loss(block):
    loss = loss_from_terms(yaml.safe_load(block)["loss"], num_outputs=3, class_weights=torch.ones(3))
    assert loss(torch.zeros(1, 3, 8, 8), torch.ones(1, 8, 8, dtype=torch.long)) > 0.1


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_every_loss_has_a_row_with_its_options_and_their_defaults(loss):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{loss.__name__}` |"))
    for name, option in list(inspect.signature(loss).parameters.items())[1:]:
        if loss is losses.focal_tversky and name != "gamma":
            continue  # the row says "as tversky"
        written = name if option.default is None else f"{name}: {option.default:g}"
        assert f"`{written}`" in row
