"""Checks of files and pairs: readable, of one size, of one kind, in one place on the ground, with data in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pyproj import CRS

from overland.datasets.check.survey import ImageFacts, MaskFacts, Record
from overland.datasets.issue import Issue, count_of, named_files

__all__ = ["check_faults", "check_ground", "check_imagery", "check_kinds", "check_sizes"]

_MUCH_EMPTY = 0.5
_MOST_OFF_PX = 0.5


def check_faults(records: Sequence[Record]) -> list[Issue]:
    """Report files that cannot be read and masks that cannot be decoded.

    Args:
        records: The survey.

    Returns:
        One issue for each kind, with the first message.
    """
    faults: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for record in records:
        for code, message, path in record.faults:
            faults[code].append((message, path))
    issues = []
    for code, items in faults.items():
        more = f" (The same of {len(items) - 1} more.)" if len(items) > 1 else ""
        issues.append(Issue("error", code, items[0][0] + more, tuple(path for _, path in items)))
    return issues


def check_sizes(records: Sequence[Record]) -> list[Issue]:
    """Report images and masks of different size; pairs whose masks fit each other's images are named as swapped.

    Args:
        records: The survey.

    Returns:
        An issue for each pair of files, or of swapped pairs.
    """
    wrong = [record for record in records if record.image and record.mask and _size(record.image) != _size(record.mask)]
    issues = []
    while wrong:
        record = wrong.pop(0)
        partner = next(
            (
                other
                for other in wrong
                if record.image and record.mask and other.image and other.mask
                if _size(record.image) == _size(other.mask) and _size(other.image) == _size(record.mask)
            ),
            None,
        )
        if partner is not None:
            wrong.remove(partner)
        files = [path for r in (record, partner) if r for path in (r.sample.image, r.sample.mask) if path]
        sizes = " and ".join("{} x {}".format(*_size(facts)) for facts in (record.image, record.mask) if facts)
        message = f"{named_files(files[:2])} have different sizes: {sizes} pixels."
        if partner is None:
            issue = Issue(
                "error", "size-differs", f"{message} Export the mask again, at the size of its image.", tuple(files)
            )
        else:
            swapped = (
                f"With {named_files(files[2:])} it is the other way round: two files were swapped. Swap them back."
            )
            issue = Issue("error", "swapped-files", f"{message} {swapped}", tuple(files))
        issues.append(issue)
    return issues


def check_kinds(records: Sequence[Record], bands: Sequence[int] | None = None) -> list[Issue]:
    """Report images that differ from the others in bands or pixel type, so that one model cannot take all of them.

    Args:
        records: The survey.
        bands: The bands that are read, counted from 1; the number of bands may then differ.

    Returns:
        One issue or none.
    """
    kinds: dict[tuple[int, str], list[Path]] = defaultdict(list)
    for record in records:
        if record.image:
            count = record.image.bands if bands is None else len(bands)
            kinds[count, record.image.dtype].append(record.sample.image)
    if len(kinds) < 2:
        return []
    found = "; ".join(f"{len(paths)} have {count} bands of {dtype}" for (count, dtype), paths in kinds.items())
    odd = tuple(kinds[min(kinds, key=lambda kind: len(kinds[kind]))])
    message = (
        f"Images differ in bands or pixel type: {found}. Odd ones: {named_files(odd)}. "
        "Convert them, or remove them; with -b bands that all of them have can be chosen."
    )
    return [Issue("error", "mixed-images", message, odd)]


def check_imagery(records: Sequence[Record]) -> list[Issue]:
    """Report images that are blank, empty over half of their area, filled with a number, or hidden by an alpha band.

    Args:
        records: The survey.

    Returns:
        One issue for each of the four kinds at most.
    """
    blank = [r.sample.image for r in records if r.image and (r.image.is_constant or r.image.empty_fraction == 1)]
    part = [
        r.sample.image
        for r in records
        if r.image and r.sample.image not in blank and r.image.empty_fraction >= _MUCH_EMPTY
    ]
    issues = []
    if blank:
        message = (
            f"{count_of(blank, 'blank image')} (one value everywhere, or nodata): {named_files(blank)}. Remove them."
        )
        issues.append(Issue("warning", "blank-image", message, tuple(blank)))
    if part:
        message = (
            f"{count_of(part, 'image')} without data (nodata, black or white) over half of the area or more: "
            f"{named_files(part)}. Their labels there teach nothing true: declare nodata, or set those labels to 255."
        )
        issues.append(Issue("warning", "empty-imagery", message, tuple(part)))
    hidden = tuple(r.sample.image for r in records if r.image and r.image.hidden_by_alpha)
    if hidden:
        message = (
            f"{count_of(hidden, 'image')} with a last band that is read as alpha: where it is 0 there is no data and "
            f"no label ({named_files(hidden)}). If it is a measurement, such as near infrared, name it with the "
            "others when you train (-b 1,2,3,4), or say so in the file (`gdal_edit.py -colorinterp_4 undefined FILE`)."
        )
        issues.append(Issue("warning", "alpha-band", message, hidden))
    filled = [(r.image.fill, r.sample.image) for r in records if r.image and r.image.fill is not None]
    if filled:
        paths = tuple(path for _, path in filled)
        message = (
            f"{count_of(paths, 'image')} with pixels of {filled[0][0]:g} in all bands, far from all others: "
            f"{named_files(paths)}. It is a fill value that no file declares; declare it, such as with "
            f"`gdal_edit.py -a_nodata {filled[0][0]:g} FILE`."
        )
        issues.append(Issue("error", "undeclared-fill", message, paths))
    return issues


def check_ground(records: Sequence[Record]) -> list[Issue]:
    """Report georeferenced masks whose CRS, extent or direction of rows is not that of their image.

    Args:
        records: The survey.

    Returns:
        One issue for each kind.
    """
    issues: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for record in records:
        if not record.image or not record.mask:
            continue
        image, mask = record.image.grid, record.mask.grid
        if image.is_georeferenced and mask.is_georeferenced and record.sample.mask:
            pixel = max(abs(image.transform.a), abs(image.transform.b), 1e-12)
            off = max(abs(a - b) for a, b in zip(image.bounds, mask.bounds, strict=True)) / pixel
            left, bottom, right, top = image.bounds
            meets = (
                *(mask.bounds[0] < right, mask.bounds[2] > left),
                *(mask.bounds[1] < top, mask.bounds[3] > bottom),
            )
            code = "extent-differs"
            if image.crs != mask.crs and CRS.from_user_input(image.crs) != CRS.from_user_input(mask.crs):
                code, message = "crs-differs", f"the mask is in {mask.crs}, the image in {image.crs}."
            elif image.transform.e * mask.transform.e < 0:
                message = "its rows run the other way, so it lies upside down on the image (south up)."
            elif off <= _MOST_OFF_PX:
                continue
            elif not all(meets):
                message = "the two do not meet anywhere."
            else:
                message = f"the edges lie up to {off:.1f} pixels apart."
            issues[code].append((message, record.sample.mask))
    return [
        Issue(
            "error",
            code,
            f"{count_of(items, 'mask')} not where the image is; {named_files([items[0][1]])}: {items[0][0]} "
            "Reproject the labels onto the grid of the image.",
            tuple(path for _, path in items),
        )
        for code, items in issues.items()
    ]


def _size(facts: ImageFacts | MaskFacts) -> tuple[int, int]:
    return facts.grid.height, facts.grid.width
