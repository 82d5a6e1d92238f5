import numpy as np

from overland.inference.machine import peak_memory_mb


def test_peak_memory_rises_with_what_is_used():
    before = peak_memory_mb()
    if before is None:
        return
    assert np.ones(40_000_000, np.uint8).sum() == 40_000_000
    assert before <= peak_memory_mb() < 100_000
