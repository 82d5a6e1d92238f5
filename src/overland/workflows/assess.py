"""Assess a map: plan a sample, draw it, and estimate areas and accuracies from its labels, with confidence intervals.

Source: Olofsson et al. 2014, Good practices for estimating area and assessing accuracy of land change, Remote Sensing
of Environment 148; general strata: Stehman 2014, International Journal of Remote Sensing 35(13).
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import shapely

from overland.errors import DataError, UsageError
from overland.geo.grid import Grid, Window
from overland.geo.measures import map_to_pixels, pixels_to_map
from overland.legend import IGNORE_INDEX, Legend
from overland.metrics.areas import (
    ALLOCATIONS,
    AreaEstimates,
    StrataBlock,
    allocate_points,
    area_estimates,
    draw_stratified,
    required_sample_size,
    z_value,
)
from overland.metrics.arrays import Floats, Ints
from overland.output import check_not_input, check_output, write_table
from overland.raster import Scene, input_files
from overland.raster.class_map import ClassTotals, class_totals, iter_class_blocks, open_class_scene, read_ids
from overland.result import Result
from overland.text import read_text
from overland.vector import Layer, geometries_on_grid, read_layer, write_features
from overland.vector.layer import Column, Geometries

__all__ = [
    "AssessEstimateResult",
    "AssessPlanResult",
    "AssessSampleResult",
    "ClassEstimate",
    "PlannedClass",
    "SamplePoints",
    "SampledClass",
    "assess_estimate",
    "assess_plan",
    "assess_sample",
    "read_points",
]

_TARGET_SE = 0.01
_SAMPLE_SUFFIXES = (".gpkg", ".csv")
_HECTARE_M2 = 1e4
_SHOWN = 5


@dataclass(frozen=True)
class PlannedClass:
    """A class of a planned sample.

    Attributes:
        id: The class id.
        name: The class name.
        area_fraction: Fraction of the mapped area, 0 to 1.
        expected_accuracy: The user's accuracy that is expected, 0 to 1.
        proportional: Its points when they are allocated by area.
        equal: Its points when every class gets as many.
        olofsson: Its points when rare classes get a fixed number and the others the rest by area.
    """

    id: int
    name: str
    area_fraction: float
    expected_accuracy: float
    proportional: int
    equal: int
    olofsson: int


@dataclass(frozen=True)
class AssessPlanResult(Result):
    """A plan of a stratified sample.

    Attributes:
        mask: The class map.
        target_se: The standard error of the overall accuracy that was asked for.
        points: Number of points that it needs.
        expected_se: The standard error that each allocation of these points would give.
        classes: The points of each class.
    """

    mask: Path
    target_se: float
    points: int
    expected_se: Mapping[str, float]
    classes: tuple[PlannedClass, ...]


@dataclass(frozen=True)
class SampledClass:
    """A stratum of a sample that was drawn.

    Attributes:
        id: The class id.
        name: The class name.
        area_fraction: Fraction of the mapped area, 0 to 1.
        points: Number of its points.
    """

    id: int
    name: str
    area_fraction: float
    points: int


@dataclass(frozen=True)
class AssessSampleResult(Result):
    """A sample that was drawn.

    Attributes:
        mask: The class map.
        strata: The class map whose classes are the strata; None for the map itself.
        output: The file of points.
        points: Number of points.
        seed: The seed of the draw.
        allocation: The way in which points were allocated.
        classes: The points of each stratum.
    """

    mask: Path
    strata: Path | None
    output: Path
    points: int
    seed: int
    allocation: str
    classes: tuple[SampledClass, ...]


@dataclass(frozen=True)
class ClassEstimate:
    """Area and accuracies of one class; margins are half of the confidence interval.

    Attributes:
        id: The class id.
        name: The class name.
        points: Number of points whose true class it is.
        mapped_ha: Its area on the map in hectares; None without a CRS.
        area_ha: Its estimated area in hectares; None without a CRS.
        area_margin_ha: The margin of that.
        area_m2: Its estimated area in square metres; None without a CRS.
        area_margin_m2: The margin of that.
        area_fraction: Its estimated area as a fraction of the whole, 0 to 1.
        area_fraction_margin: The margin of that.
        area_fraction_se: The standard error of that.
        users: User's accuracy, 0 to 1; NaN where the sample says nothing.
        users_margin: The margin of that.
        producers: Producer's accuracy, 0 to 1; NaN where the sample says nothing.
        producers_margin: The margin of that.
    """

    id: int
    name: str
    points: int
    mapped_ha: float | None
    area_ha: float | None
    area_margin_ha: float | None
    area_m2: float | None
    area_margin_m2: float | None
    area_fraction: float
    area_fraction_margin: float
    area_fraction_se: float
    users: float
    users_margin: float
    producers: float
    producers_margin: float


@dataclass(frozen=True)
class AssessEstimateResult(Result):
    """Areas and accuracies of a map, with their uncertainty.

    Attributes:
        sample: The labelled points.
        mask: The class map.
        strata: The class map by which the sample was drawn; None for the map itself.
        output: The table that was written, or None.
        points: Number of points.
        confidence: The probability of the intervals.
        total_area_ha: The mapped area in hectares; None without a CRS.
        overall: Overall accuracy, 0 to 1.
        overall_se: Its standard error.
        overall_margin: Half of its confidence interval.
        classes: The estimates of each class.
        class_names: The class names in the order of the matrices.
        counts: Number of points by map class (rows) and true class (columns).
        proportions: The same as estimated fractions of the area.
    """

    sample: Path
    mask: Path
    strata: Path | None
    output: Path | None
    points: int
    confidence: float
    total_area_ha: float | None
    overall: float
    overall_se: float
    overall_margin: float
    classes: tuple[ClassEstimate, ...]
    class_names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    proportions: tuple[tuple[float, ...], ...]


def assess_plan(
    mask: str | Path,
    *,
    target_se: float | None = None,
    target_ci: float | None = None,
    expected_accuracy: float = 0.8,
    expected_accuracies: Mapping[str, float] | None = None,
    min_points: int = 50,
) -> AssessPlanResult:
    """Plan how many points an assessment of the class map MASK needs, and how many in each of its classes.

    Args:
        mask: The class map.
        target_se: Standard error of the overall accuracy that is wanted.  [default: 0.01]
        target_ci: Instead of it: half the width of the 95 % interval of the overall accuracy.
        expected_accuracy: User's accuracy that is expected of classes without one of their own.
        expected_accuracies: User's accuracies that are expected of classes by name, such as road=0.7; a number alone
            is for all others.  [default: 0.8]
        min_points: Points of a rare class with the allocation olofsson.

    Returns:
        The number of points, the points of each class with each allocation, and the standard errors to expect.

    Raises:
        UsageError: A number is no accuracy.
        DataError: The mask is no class map, or a class does not exist.

    Source: Olofsson et al. 2014, equation 13.
    """
    if target_se is not None and target_ci is not None:
        raise UsageError("Give --target-se or --target-ci, not both.")
    wanted = target_se if target_se is not None else _TARGET_SE
    if target_ci is not None:
        wanted = target_ci / z_value(0.95)
    with open_class_scene(mask) as scene:
        totals = class_totals(scene)
    named = dict(expected_accuracies or {})
    accuracies = np.full(totals.legend.num_classes, named.pop("", expected_accuracy))
    for name, accuracy in named.items():
        accuracies[totals.legend.id_from_name(name)] = accuracy
    weights = totals.weights
    points = required_sample_size(weights.tolist(), accuracies.tolist(), wanted, int(totals.pixels.sum()))
    points = max(points, 2 * int((weights > 0).sum()))
    allocations = {how: allocate_points(points, weights, how, min_points=min_points) for how in ALLOCATIONS}
    variances = weights**2 * accuracies * (1 - accuracies)
    return AssessPlanResult(
        mask=Path(mask),
        target_se=wanted,
        points=points,
        expected_se={
            how: float(np.sqrt((variances / np.maximum(sizes, 1)).sum())) for how, sizes in allocations.items()
        },
        classes=tuple(
            PlannedClass(
                index,
                name,
                float(weights[index]),
                float(accuracies[index]),
                **{how: int(sizes[index]) for how, sizes in allocations.items()},
            )
            for index, name in enumerate(totals.legend.names)
        ),
    )


def assess_sample(
    mask: str | Path,
    output: str | Path,
    *,
    points: int = 500,
    seed: int = 0,
    allocation: Literal["olofsson", "proportional", "equal"] = "olofsson",
    min_points: int = 50,
    strata: str | Path | None = None,
    overwrite: bool = False,
) -> AssessSampleResult:
    """Draw pixels of the class map MASK at random, class by class, and write their centres to OUTPUT to be labelled.

    Write the true class of every point into its field reference, by name or id, looking at imagery that is better than
    the imagery that the map was made from. Points stand in random order. The other fields are id, x, y (in the CRS of
    the map), map_class and map_name.

    Args:
        mask: The class map, of any size.
        output: The points: a .gpkg to be opened in a GIS, or a .csv.
        points: Number of points.
        seed: Seed of the draw; the same seed gives the same points.
        allocation: Points by area (proportional), the same for each class (equal), or by area with a fixed number for
            rare classes (olofsson).
        min_points: Points of a rare class with the allocation olofsson.
        strata: Another class map, whose classes are the strata; a field stratum then says which.
        overwrite: Replace OUTPUT if it exists.

    Returns:
        The points of each stratum.

    Raises:
        UsageError: Options or an output that make no sense, or an output that exists.
        DataError: The mask or the strata are no class map.
    """
    output = check_output(output, overwrite=overwrite, suffixes=_SAMPLE_SUFFIXES)
    check_not_input(output, input_files(mask, strata))
    if seed < 0:
        raise UsageError(f"A seed is a whole number from 0 up; got {seed}.")
    with open_class_scene(strata if strata is not None else mask) as scene:
        totals = class_totals(scene)
        if points > totals.pixels.sum():
            raise UsageError(
                f"{points} points were asked for, and the map has {totals.pixels.sum():,} pixels of a class."
            )
        sizes = allocate_points(points, totals.weights, allocation, min_points=min_points)
        blocks = iter_class_blocks(scene, "Drawing")
        strata_blocks = (StrataBlock(ids, areas, at.row_off, at.col_off) for at, ids, areas in blocks)
        drawn = draw_stratified(strata_blocks, sizes, seed)
        grid = scene.grid
    centers = np.asarray(shapely.points(drawn.cols + 0.5, drawn.rows + 0.5), dtype=object)
    located = SamplePoints(str(output), pixels_to_map(centers, grid), {}, grid.map_crs)
    fields = _sample_fields(mask, located, totals.legend if strata is None else None)
    if strata is not None:
        fields["stratum"] = np.array(totals.legend.names, dtype=object)[drawn.strata]
    if output.suffix.lower() == ".csv":
        rows = zip(*(values.tolist() for values in fields.values()), strict=True)
        write_table(output, [dict(zip(fields, row, strict=True)) for row in rows], list(fields))
    else:
        layer = Layer("sample", "Point", located.points, fields, grid.map_crs)
        write_features(output, [layer], overwrite=overwrite)
    counts, weights = np.bincount(drawn.strata, minlength=totals.legend.num_classes), totals.weights
    return AssessSampleResult(
        mask=Path(mask),
        strata=None if strata is None else Path(strata),
        output=output,
        points=len(drawn.rows),
        seed=seed,
        allocation=allocation,
        classes=tuple(
            SampledClass(index, name, float(weights[index]), int(counts[index]))
            for index, name in enumerate(totals.legend.names)
        ),
    )


def _sample_fields(mask: str | Path, sample: SamplePoints, legend: Legend | None) -> dict[str, Column]:
    with open_class_scene(mask) as scene:
        ids, legend = _class_ids_at(scene, sample), legend or class_totals(scene).legend
    xy = shapely.get_coordinates(sample.points)
    return {
        "id": np.arange(1, len(ids) + 1),
        "x": xy[:, 0],
        "y": xy[:, 1],
        "map_class": ids.astype(np.int32),
        "map_name": np.array(legend.names, dtype=object)[ids],
        "reference": np.full(len(ids), "", dtype=object),
    }


def assess_estimate(
    sample: str | Path,
    mask: str | Path,
    *,
    reference_field: str = "reference",
    strata: str | Path | None = None,
    strata_field: str | None = None,
    confidence: float = 0.95,
    output: str | Path | None = None,
    overwrite: bool = False,
) -> AssessEstimateResult:
    """Estimate areas and accuracies of the class map MASK from the labelled points of SAMPLE.

    Each point's map class is read from the map; every point must be labelled. The strata are the map's classes.

    Args:
        sample: The points: a CSV with the columns x and y in the CRS of the map, or any vector file.
        mask: The class map.
        reference_field: Field with the true class of each point, a name or id of the map.
        strata: The class map by which the sample was drawn, if not by MASK.
        strata_field: Field with each point's class of the strata, instead of reading it there.
        confidence: The probability of the intervals, between 0 and 1.
        output: A table of the classes to write, a .csv file.
        overwrite: Replace the output if it exists.

    Returns:
        The estimates with their confidence intervals.

    Raises:
        UsageError: Options or an output that make no sense, or an output that exists.
        DataError: The sample does not fit the map, or a stratum has fewer than two points.

    Source: Olofsson et al. 2014; general strata: Stehman 2014.
    """
    if strata_field is not None and strata is None:
        raise UsageError("--strata-field needs the areas of its strata: give their map with --strata.")
    inputs = [sample, mask, *([] if strata is None else [strata])]
    path = None if output is None else check_output(output, overwrite=overwrite, suffixes=(".csv",))
    if path is not None:
        check_not_input(path, inputs)
    z_value(confidence)
    points = read_points(sample)
    labels = points.labels(reference_field)
    with open_class_scene(mask) as scene:
        totals = class_totals(scene)
        mapped = _class_ids_at(scene, points)
        in_metres = scene.grid.is_georeferenced
    reference = _ids_from_labels(labels, totals.legend, f"{sample}, field {reference_field}")
    stratum, strata_totals = mapped, totals
    if strata is not None:
        with open_class_scene(strata) as scene:
            strata_totals = class_totals(scene)
            stratum = _class_ids_at(scene, points) if strata_field is None else stratum
        if strata_field is not None:
            place = f"{sample}, field {strata_field}"
            stratum = _ids_from_labels(points.labels(strata_field), strata_totals.legend, place)
    elif "map_class" in points.fields:
        _check_drawn_from(points, mapped, totals.legend, mask)
    counts = _counts(stratum, strata_totals, mapped, reference, totals.legend.num_classes)
    found = area_estimates(counts, strata_totals.weights)
    total_m2 = float(totals.areas_m2.sum()) if in_metres else None
    mapped_m2 = totals.areas_m2.tolist() if in_metres else [None] * totals.legend.num_classes
    classes = tuple(
        _class_estimate(index, name, int(counts[:, :, index].sum()), mapped_m2[index], total_m2, found, confidence)
        for index, name in enumerate(totals.legend.names)
    )
    if path is not None:
        write_table(path, [vars(row) for row in classes], [field.name for field in dataclasses.fields(ClassEstimate)])
    return AssessEstimateResult(
        sample=Path(sample),
        mask=Path(mask),
        strata=None if strata is None else Path(strata),
        output=path,
        points=len(points),
        confidence=confidence,
        total_area_ha=_hectares(total_m2),
        overall=float(found.overall.value[0]),
        overall_se=float(found.overall.se[0]),
        overall_margin=float(found.overall.margin(confidence)[0]),
        classes=classes,
        class_names=totals.legend.names,
        counts=tuple(map(tuple, counts.sum(axis=0).tolist())),
        proportions=tuple(map(tuple, found.proportions.tolist())),
    )


def _check_drawn_from(points: SamplePoints, mapped: Ints, legend: Legend, mask: str | Path) -> None:
    drawn = _ids_from_labels(points.labels("map_class"), legend, f"{points.path}, field map_class")
    differ = int((drawn != mapped).sum())
    if differ:
        raise DataError(
            f"{differ} of {len(points)} points have another class in {mask} than when they were drawn. If they were "
            "drawn by another map, name that with --strata."
        )


def _counts(stratum: Ints, strata: ClassTotals, mapped: Ints, reference: Ints, classes: int) -> Ints:
    counts = np.zeros((strata.legend.num_classes, classes, classes), np.int64)
    np.add.at(counts, (stratum, mapped, reference), 1)
    points = counts.sum(axis=(1, 2))
    few = np.flatnonzero((strata.pixels > 0) & (points < 2))
    if len(few):
        name = strata.legend.names[few[0]]
        raise DataError(
            f"The stratum {name} has {points[few[0]]} points, and 2 are the fewest. Draw a larger sample, or give the "
            "class to another one in the map when it has no more pixels."
        )
    return counts


def _class_estimate(
    index: int,
    name: str,
    points: int,
    mapped_m2: float | None,
    total_m2: float | None,
    found: AreaEstimates,
    confidence: float,
) -> ClassEstimate:
    def pick(values: Floats) -> float:
        """Take the value of this class.

        Args:
            values: A value for each class (k,).

        Returns:
            The value of this one.
        """
        return float(values[index])

    fraction, margin = pick(found.area.value), pick(found.area.margin(confidence))
    area_m2, margin_m2 = (None if total_m2 is None else part * total_m2 for part in (fraction, margin))
    return ClassEstimate(
        id=index,
        name=name,
        points=points,
        mapped_ha=_hectares(mapped_m2),
        area_ha=_hectares(area_m2),
        area_margin_ha=_hectares(margin_m2),
        area_m2=area_m2,
        area_margin_m2=margin_m2,
        area_fraction=fraction,
        area_fraction_margin=margin,
        area_fraction_se=pick(found.area.se),
        users=pick(found.users.value),
        users_margin=pick(found.users.margin(confidence)),
        producers=pick(found.producers.value),
        producers_margin=pick(found.producers.margin(confidence)),
    )


def _hectares(area_m2: float | None) -> float | None:
    return None if area_m2 is None else area_m2 / _HECTARE_M2


@dataclass(frozen=True)
class SamplePoints:
    """Points of a sample.

    Attributes:
        path: The file that they were read from.
        points: The points (n,).
        fields: The values of each field by its name, n texts each.
        crs: Their CRS; None where the coordinates are those of the map.
    """

    path: str
    points: Geometries
    fields: Mapping[str, list[str]]
    crs: str | None = None

    def __len__(self) -> int:
        return len(self.points)

    def labels(self, field: str) -> list[str]:
        """Return the values of a field that must be filled in at every point.

        Args:
            field: The name of the field.

        Raises:
            DataError: There is no such field, or some of its values are empty.
        """
        if field not in self.fields:
            raise DataError(f"{self.path} has no field {field!r}; it has {', '.join(self.fields)}.")
        values = self.fields[field]
        empty = [str(number) for number, value in enumerate(values, 1) if not value]
        if empty:
            raise DataError(
                f"{self.path}: {len(empty)} of {len(self)} points have no {field} (rows {_few(empty)}). "
                "Label every point: to leave some out makes the estimates wrong."
            )
        return values


def read_points(path: str | Path) -> SamplePoints:
    """Read the points of a sample.

    Args:
        path: A CSV with columns x and y, or any vector file of points.

    Returns:
        The points with their fields as text.

    Raises:
        DataError: The file cannot be read, or holds no points.
    """
    path = Path(path)
    if path.suffix.lower() == ".csv":
        if path.exists() and not path.is_file():
            # A named pipe would block for ever.
            raise DataError(f"{path} is no regular file. Save it as a file first.")
        text = read_text(path)
        try:
            reader = csv.DictReader(text.splitlines())
            columns = list(reader.fieldnames or [])
            rows = [{name: (row[name] or "").strip() for name in columns} for row in reader]
            xy = np.array([(float(row["x"]), float(row["y"])) for row in rows]).reshape(-1, 2)
        except KeyError as error:
            found = ", ".join(columns)
            raise DataError(f"{path} has no column {error}; found {found}. Columns are separated by commas.") from error
        except (ValueError, csv.Error) as error:
            raise DataError(f"{path} cannot be read as a table of points ({error}).") from error
        fields = {name: [row[name] for row in rows] for name in columns}
        read = SamplePoints(str(path), np.asarray(shapely.points(xy), dtype=object), fields)
    else:
        layer = read_layer(path, kinds=("Point",))
        if (shapely.get_type_id(layer.geometries) != shapely.GeometryType.POINT).any():
            raise DataError(f"{path}: a sample is points, and the layer holds {layer.geometry_type} features.")
        fields = {name: [_text(value) for value in values] for name, values in layer.fields.items()}
        read = SamplePoints(str(path), layer.geometries, fields, layer.crs)
    if not len(read):
        raise DataError(f"{path} holds no points.")
    return read


def _text(value: object) -> str:
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _class_ids_at(scene: Scene, sample: SamplePoints) -> Ints:
    """Read the class id of a map at each point."""
    grid: Grid = scene.grid
    points = sample.points if sample.crs is None else geometries_on_grid(sample.points, sample.crs, grid)
    xy = shapely.get_coordinates(map_to_pixels(points, grid))
    strange = np.flatnonzero(~np.isfinite(xy).all(axis=1))
    if len(strange):
        raise DataError(f"{sample.path}: point {strange[0] + 1} has coordinates that are no numbers.")
    cols, rows = np.floor(xy).astype(np.int64).T
    outside = (rows < 0) | (rows >= scene.height) | (cols < 0) | (cols >= scene.width)
    if outside.any():
        raise DataError(f"{sample.path}: {outside.sum()} points lie outside of {scene.path}. Is it the right map?")
    ids = [
        int(read_ids(scene, Window(col_off=col, row_off=row, width=1, height=1))[0, 0])
        for row, col in zip(rows.tolist(), cols.tolist(), strict=True)
    ]
    if IGNORE_INDEX in ids:
        raise DataError(f"{sample.path}: {ids.count(IGNORE_INDEX)} points lie where {scene.path} has no class.")
    return np.array(ids, np.int64)


def _ids_from_labels(labels: Sequence[str], legend: Legend, place: str) -> Ints:
    """Turn labels, which are names of the legend or ids, into class ids."""
    id_of = {str(index): index for index in range(legend.num_classes)}
    id_of |= {name.casefold(): index for index, name in enumerate(legend.names)}
    unknown = sorted({label for label in labels if label.casefold() not in id_of})
    if unknown:
        raise DataError(f"{place}: no class is called {_few(unknown)}; the map has {', '.join(legend.names)}.")
    return np.array([id_of[label.casefold()] for label in labels], np.int64)


def _few(values: Sequence[str]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(values[:_SHOWN]) + more
