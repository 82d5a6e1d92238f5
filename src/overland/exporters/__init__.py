"""A bundle for other programs: ONNX for QGIS, STAC items, Hugging Face folders, graphs in int8."""
