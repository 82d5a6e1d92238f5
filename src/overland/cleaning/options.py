"""The steps of a clean-up with their sizes, the order in which they come, and the published presets."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from overland.errors import UsageError

__all__ = ["PRESETS", "CleanUp"]

_WINDOWS = ("median", "majority", "open", "close")
_LARGEST_WINDOW = 255


@dataclass(frozen=True)
class CleanUp:
    """The steps of a clean-up in the order in which they are done; 0 leaves a step out.

    Windows are odd, from 3 pixels. Regions are 4-connected. Raises `UsageError` for sizes that make no sense.
    """

    median: int = 0
    """Width of the window of `median_mask` in pixels."""
    majority: int = 0
    """Width of the window of `majority_mask` in pixels."""
    open: int = 0
    """Width of the disk of `open_mask` in pixels."""
    close: int = 0
    """Width of the disk of `close_mask` in pixels."""
    remove_objects: int = 0
    """Regions of fewer pixels go, but not those of the background."""
    fill_holes: int = 0
    """Regions of fewer pixels that lie inside one other class are filled."""
    sieve: int = 0
    """Regions of fewer pixels go, whatever their class."""

    def __post_init__(self) -> None:
        for name, size in asdict(self).items():
            if size < 0:
                raise UsageError(f"{name} is {size}; a size is not negative, and 0 leaves the step out.")
            if name in _WINDOWS and size and not (size % 2 and 3 <= size <= _LARGEST_WINDOW):
                raise UsageError(
                    f"{name} is {size}; a window has a pixel in its middle, so its width is odd, "
                    f"from 3 to {_LARGEST_WINDOW} pixels."
                )

    @property
    def steps(self) -> dict[str, int]:
        """Steps that are done, in their order, with their sizes."""
        return {name: size for name, size in asdict(self).items() if size}

    @property
    def largest_region(self) -> int:
        """Area in pixels from which a region is never changed as a whole; 0 when no step asks for regions."""
        return max(self.remove_objects, self.fill_holes, self.sieve)

    @property
    def halo(self) -> int:
        """Rows beyond a row block on which its pixels depend, before regions are looked at."""
        # An opening erodes, dilates and then looks one window further for the nearest class.
        opening = 2 * self.open - 1 if self.open else 0
        closing = self.close - 1 if self.close else 0
        return self.median // 2 + self.majority // 2 + opening + closing


# Those of a published land-cover app, there done against class 0 and on ids.
PRESETS = {"morphological": CleanUp(remove_objects=64, fill_holes=64), "median": CleanUp(median=3)}
"""Clean-ups by name."""
