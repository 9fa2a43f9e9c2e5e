"""pyannote's segmentation-3.0 (MIT) as an ONNX file: who of three voices speaks in each 17 ms of some 10 s.

samples (1, 1, n) ─► SincNet ─► four layers of LSTM in both directions ─► two linear ones ─► (1, frames, 7)

Source: pyannote.audio 4.0.7, models/segmentation/PyanNet.py and models/blocks/sincnet.py; the filters are those of
asteroid-filterbanks 0.4.0, ParamSincFB.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.base import SAMPLE_RATE
from engines.speakers.networks.torch_file import Tensors
from engines.weights.onnx_file import Graph

LAYERS = 4
_STRIDE = 10  # samples between two places of a filter
_LOWEST_HZ = _NARROWEST_HZ = 50.0
_GATES = (0, 3, 1, 2)  # PyTorch's input, forget, cell, output in ONNX's order: input, output, forget, cell


def segmentation_onnx(tensors: Tensors) -> bytes:
    """The scores of the seven sets of at most two of three voices, in pyannote's order: nobody, 1, 2, 3, 1+2, 1+3,
    2+3. Not normalised: the largest is the likeliest."""
    graph = Graph("segmentation")
    value = _normalised(graph, "samples", tensors, "sincnet.wav_norm1d")
    value = _sincnet(graph, value, tensors)
    value = graph.node("Transpose", value, perm=(2, 0, 1))  # (frames, 1, features), as LSTM takes it
    for layer in range(LAYERS):
        value = _lstm(graph, value, tensors, layer)
    value = graph.node("Transpose", value, perm=(1, 0, 2))
    for name in ("linear.0", "linear.1"):
        value = graph.node("LeakyRelu", _linear(graph, value, tensors, name), alpha=0.01)
    scores = _linear(graph, value, tensors, "classifier")
    return graph.model(("samples", (1, 1, "n")), (scores, (1, "frames", 7)))


def _sincnet(graph: Graph, value: str, tensors: Tensors) -> str:
    filters = graph.constant(sinc_filters(tensors))
    value = graph.node("Abs", graph.node("Conv", value, filters, strides=(_STRIDE,)))
    value = _pooled(graph, value, tensors, "sincnet.norm1d.0")
    for number in (1, 2):
        kernel, bias = (graph.constant(tensors[f"sincnet.conv1d.{number}.{part}"]) for part in ("weight", "bias"))
        value = _pooled(graph, graph.node("Conv", value, kernel, bias), tensors, f"sincnet.norm1d.{number}")
    return value


def _pooled(graph: Graph, value: str, tensors: Tensors, name: str) -> str:
    value = graph.node("MaxPool", value, kernel_shape=(3,), strides=(3,))
    return graph.node("LeakyRelu", _normalised(graph, value, tensors, name), alpha=0.01)


def _normalised(graph: Graph, value: str, tensors: Tensors, name: str) -> str:
    scale, bias = (graph.constant(tensors[f"{name}.{part}"]) for part in ("weight", "bias"))
    return graph.node("InstanceNormalization", value, scale, bias, epsilon=1e-5)


def _linear(graph: Graph, value: str, tensors: Tensors, name: str) -> str:
    product = graph.node("MatMul", value, graph.constant(tensors[f"{name}.weight"].T))
    return graph.node("Add", product, graph.constant(tensors[f"{name}.bias"]))


def _lstm(graph: Graph, value: str, tensors: Tensors, layer: int) -> str:
    """(frames, 1, features) to (frames, 1, 256)."""

    def both(part: str) -> list[NDArray[Any]]:
        return [_in_onnx_order(tensors[f"lstm.{part}_l{layer}{way}"]) for way in ("", "_reverse")]

    own, recurrent = np.stack(both("weight_ih")), np.stack(both("weight_hh"))
    biases = np.concatenate([np.stack(both("bias_ih")), np.stack(both("bias_hh"))], axis=1)
    value = graph.node(
        "LSTM",
        value,
        *(graph.constant(each) for each in (own, recurrent, biases)),
        direction="bidirectional",
        hidden_size=recurrent.shape[-1],
    )
    return graph.node("Reshape", graph.node("Transpose", value, perm=(0, 2, 1, 3)), graph.ints(0, 0, -1))


def _in_onnx_order(weights: NDArray[Any]) -> NDArray[Any]:
    gates = np.split(weights, 4)
    return np.concatenate([gates[number] for number in _GATES])


def sinc_filters(tensors: Tensors) -> NDArray[np.float32]:
    """Shape (80, 1, 251): band passes between learned frequencies, even ones and odd ones."""
    prefix = "sincnet.conv1d.0.filterbank."
    window, times = tensors[f"{prefix}window_"].astype(np.float64), tensors[f"{prefix}n_"].astype(np.float64)
    low = _LOWEST_HZ + np.abs(tensors[f"{prefix}low_hz_"].astype(np.float64))
    widths = _NARROWEST_HZ + np.abs(tensors[f"{prefix}band_hz_"].astype(np.float64))
    high = np.clip(low + widths, _LOWEST_HZ, SAMPLE_RATE / 2)
    band = high - low
    even = (np.sin(high @ times) - np.sin(low @ times)) / (times / 2) * window
    odd = (np.cos(low @ times) - np.cos(high @ times)) / (times / 2) * window
    halves = ((even, 2 * band, even[:, ::-1]), (odd, np.zeros_like(band), -odd[:, ::-1]))
    filters = np.concatenate([np.concatenate(half, axis=1) / (2 * band) for half in halves])
    return filters[:, None, :].astype(np.float32)
