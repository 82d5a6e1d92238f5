"""Every verb of Overland from Python, for a dataset of roads and a scene; it passes `mypy --strict`.

python examples/all_verbs.py DATASET SCENE.tif OUTPUT_FOLDER
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import overland as ol


def main(data: str, scene: str, output: str, epochs: int = 1, imgsz: int = 64) -> None:
    """Go from data to maps, areas and exports; everything is under the output folder."""
    folder = Path(output)
    print(f"Overland {ol.doctor().overland}, {len(ol.list_recipes().recipes)} recipes")
    print(f"{ol.show_recipe('road-unet').parameters:,} parameters; pretrained: {len(ol.list_models().models)} models")
    model = train(data, folder, epochs, imgsz)
    mask = maps(model, scene, folder)
    areas(mask, folder)
    prepare(data, mask, folder)
    evaluate(model, data, mask, folder)
    hand_on(model, scene, mask, data, folder)


def train(data: str, folder: Path, epochs: int, imgsz: int) -> Path:
    """Check a dataset, train on it, return the model's folder."""
    checked = ol.check_data(data)
    print(f"{checked.layout}: {checked.errors} errors, {checked.warnings} warnings")
    run = ol.train(data, epochs=epochs, imgsz=imgsz, project=str(folder / "runs"), name="roads")
    print(f"trained in {run.seconds:.0f} s")
    return Path(run.model)


def maps(model: Path, scene: str, folder: Path) -> Path:
    """Map a scene, clean the map up, vectorise it; return the cleaned map."""
    predicted = ol.predict(
        model, scene, folder / "map.tif", probabilities=folder / "probabilities.tif", engine="onnx", overwrite=True
    )
    print(f"{predicted.megapixels:.2f} Mpx in {predicted.windows} windows")
    ol.load_model("roads").predict(scene, folder / "pretrained.tif", ol.PredictOptions(overwrite=True))
    ol.apply_threshold(model, folder / "probabilities.tif", folder / "stricter.tif", 0.7, overwrite=True)
    cleaned = ol.postprocess(folder / "map.tif", folder / "clean.tif", majority=3, sieve=20, overwrite=True)
    print(f"{cleaned.changed_fraction or 0:.1%} of the pixels changed")
    polygons = ol.vectorize(folder / "clean.tif", folder / "polygons.gpkg", overwrite=True)
    roads = ol.vectorize(folder / "clean.tif", folder / "roads.gpkg", kind="roads", overwrite=True)
    print(f"{polygons.polygons} polygons, {roads.length_m or 0:.0f} m of road")
    burned = ol.rasterize(folder / "polygons.gpkg", scene, folder / "burned.tif", field="name", overwrite=True)
    print(f"{burned.features} features burned")
    return folder / "clean.tif"


def areas(mask: Path, folder: Path) -> None:
    """Count areas, plan and draw a sample, estimate areas from its labels."""
    for row in ol.areas(mask, output=folder / "areas.csv", overwrite=True).classes:
        print(f"{row.name}: {row.area_ha or 0:.2f} ha")
    print(f"{ol.assess_plan(mask, target_ci=0.05).points} points are needed")
    points = folder / "points.csv"
    ol.assess_sample(mask, points, points=100, overwrite=True)
    # A person labels the points in QGIS; here the map is taken at its word.
    with points.open(newline="", encoding="utf-8") as file:
        rows = [{**row, "reference": row["map_name"]} for row in csv.DictReader(file)]
    with points.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(f"overall accuracy {ol.assess_estimate(points, mask).overall:.2f}")


def prepare(data: str, mask: Path, folder: Path) -> None:
    """Write a dataset in other forms."""
    chips = ol.prepare_chips(data, folder / "chips", chip_size=32, overwrite=True)
    channels = ol.prepare_channels(data, folder / "channels", overwrite=True)
    print(f"{chips.output} and {channels.output} are datasets")
    ol.encode_mask(mask, folder / "encoded.tif", like=data, overwrite=True)


def evaluate(model: Path, data: str, mask: Path, folder: Path) -> None:
    """Evaluate the model, a map, and a road graph."""
    scores = ol.evaluate(model, data, split="val", engine="onnx", output=folder / "scores", overwrite=True)
    print(f"{scores.images} images in {scores.output}")
    ol.evaluate_map(mask, folder / "map.tif", output=folder / "map-scores", overwrite=True)
    ol.evaluate_roads(folder / "roads.gpkg", folder / "roads.gpkg", output=folder / "road-scores", overwrite=True)


def hand_on(model: Path, scene: str, mask: Path, data: str, folder: Path) -> None:
    """Write a report, and the model for other programs."""
    page = ol.report(model, output=folder / "report.html", scene=scene, mask=mask, overwrite=True)
    print(f"open {page.report}")
    ol.export(model, folder / "roads.onnx", overwrite=True)
    ol.quantize(model, [scene], folder / "roads-int8", data=data, force=True, overwrite=True)


def elsewhere(keras_file: str, annotations: str, images: str) -> None:
    """Use the verbs that need more: minutes, a network, a file of Keras, COCO annotations, a browser."""
    ol.demo(output="demo")
    ol.download("camvid", output="camvid")
    ol.import_keras(keras_file, "from-keras", names=["road"])
    ol.prepare_coco(annotations, images, "from-coco")
    ol.serve(models=["from-keras"])
    ol.app(models=["from-keras"])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
