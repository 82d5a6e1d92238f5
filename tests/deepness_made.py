"""What the QGIS plugin Deepness 0.6 does with an ONNX file, told again in numpy: so its map is known without QGIS."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnxruntime

__all__ = ["deepness_map", "read_metadata"]


def read_metadata(session: onnxruntime.InferenceSession) -> dict[str, Any]:
    """The file's metadata as Deepness reads it: every value is JSON."""
    return {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}


def deepness_map(graph: bytes, pixels: np.ndarray) -> np.ndarray:
    """Map pixels (bands, height, width) as stored: tiles from the top left, cut in the middle of what they share.

    What a tile lacks beyond the right and lower edge is zero, as QGIS gives it.
    """
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    metadata = read_metadata(session)
    tile, _, height, width = metadata["tile_size"], *pixels.shape
    stride = tile - int(tile * metadata["tiles_overlap"] / 100 * 2) // 2
    rows, cols = _count(height, tile, stride), _count(width, tile, stride)
    padded = np.zeros((pixels.shape[0], (rows - 1) * stride + tile, (cols - 1) * stride + tile), pixels.dtype)
    padded[:, :height, :width] = pixels
    mask = np.zeros(padded.shape[1:], np.uint8)
    half = (tile - stride) // 2
    for row in range(rows):
        for col in range(cols):
            top, left = row * stride, col * stride
            found = _map_tile(session, metadata, padded[:, top : top + tile, left : left + tile])
            cut = np.s_[half if row else 0 : None, half if col else 0 : None]
            mask[top : top + tile, left : left + tile][cut] = found[cut]
    return mask[:height, :width]


def _count(size: int, tile: int, stride: int) -> int:
    return 1 + max(0, -(-(size - tile) // stride))


def _map_tile(session: onnxruntime.InferenceSession, metadata: dict[str, Any], pixels: np.ndarray) -> np.ndarray:
    tiles = np.float32(np.moveaxis(pixels, 0, 2)[None] * 1.0 / 255.0)
    mean, std = (np.array(metadata[f"standardization_{name}"], np.float32) for name in ("mean", "std"))
    tiles = np.transpose((tiles - mean) / std, (0, 3, 1, 2))
    scores = session.run(None, {session.get_inputs()[0].name: tiles})[0]
    scores[scores < round(metadata["seg_thresh"], 2)] = 0
    return (scores != 0).astype(int)[0, 0] if scores.shape[1] == 1 else np.argmax(scores, axis=1)[0]
