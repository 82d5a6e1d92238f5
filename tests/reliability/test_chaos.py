"""A short form of `make chaos`: three verbs that write through different doors, one of each trouble."""

import random
from dataclasses import replace

import chaos
import pytest


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return chaos.build(tmp_path_factory.mktemp("chaos") / "in")


@pytest.mark.parametrize("name", ["vectorize", "areas", "data chips"])
def test_what_a_broken_run_leaves(name, inputs, tmp_path):
    verb = next(verb for verb in chaos.VERBS if verb.name == name)
    trials = chaos.Chaos(verb, inputs, tmp_path, random.Random(name), points=2)
    trials.run(("killed", "full disk", "read-only", "twice"))
    assert not trials.failures
    assert trials.tried["killed"] == 2
    assert trials.tried["twice"] == 2


def test_chaos_sees_what_is_wrong(inputs, tmp_path):
    verb = next(verb for verb in chaos.VERBS if verb.name == "areas")
    wrong = replace(verb, same=lambda found, reference: False)
    trials = chaos.Chaos(wrong, inputs, tmp_path, random.Random(0), points=1)
    trials.run(("killed",))
    assert trials.failures
