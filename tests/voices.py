"""Networks of a thousandth of the size, with random weights, that hear voices as the real ones do: the same numbers in,
the same numbers out, and nothing to be learned from them. The diarizer's tests run on them where the real ones are not
installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engines.speakers.networks.availability import EMBEDDING, SEGMENTATION
from engines.weights.onnx_file import Graph

SIZE = 16  # numbers of an embedding


def random_networks(directory: Path, seed: int = 0) -> Path:
    """A directory as `WHISPER_SPEAKER_MODEL` takes it. The segmentation hears one voice where it is loud."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / SEGMENTATION).write_bytes(_segmentation())
    (directory / EMBEDDING).write_bytes(_embedding(np.random.default_rng(seed)))
    return directory


def _segmentation() -> bytes:
    """Frames of 991 samples every 270: nobody if they are quiet, else the first voice."""
    graph = Graph("segmentation")
    mean = graph.constant(np.full((1, 1, 991), 1 / 991, np.float32))
    loudness = graph.node("Conv", graph.node("Abs", "samples"), mean, strides=(270,))
    loudness = graph.node("Transpose", loudness, perm=(0, 2, 1))
    scores = graph.node("MatMul", loudness, graph.constant(np.eye(1, 7, 1, dtype=np.float32)))
    quiet = graph.constant(np.array([0.01, 0, -1, -1, -1, -1, -1], np.float32))
    return graph.model(("samples", (1, 1, "n")), (graph.node("Add", scores, quiet), (1, "frames", 7)))


def _embedding(chance: np.random.Generator) -> bytes:
    """Random mixtures of how much each band varies."""
    graph = Graph("embedding")
    squares = graph.node("ReduceMean", graph.node("Mul", "features", "features"), axes=(1,), keepdims=0)
    weights = graph.constant(chance.normal(0, 1, (80, SIZE)).astype(np.float32))
    return graph.model(("features", (1, "frames", 80)), (graph.node("MatMul", squares, weights), (1, SIZE)))
