"""Silero's network, with its convolutions as matrix products.

A convolution over the five positions of one frame is too small for onnxruntime, which makes a product of its own for
each frame: 60 of a frame's 70 µs. Over a block of frames the same sums are one product, four times as fast; the
probabilities differ in their sixth digit.
"""

from __future__ import annotations

import importlib.util
import logging
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.weights.onnx_file import Graph, constants_of

FRAME = 512  # samples the network takes at a time: 32 ms at 16 kHz
CONTEXT = 64  # samples of the previous frame it looks back at
STATE = 128  # numbers it remembers, twice

_HOP, _BINS = 128, 129  # of its spectra, of which a frame has four
_SHAPES = {
    "encoder.feature_extractor.forward_basis_buffer": (2 * _BINS, 1, 2 * _HOP),
    "encoder.conv_layers.0.weight": (128, _BINS, 3),
    "encoder.conv_layers.0.bias": (128,),
    "encoder.conv_layers.1.weight": (64, 128, 3),
    "encoder.conv_layers.1.bias": (64,),
    "encoder.conv_layers.2.weight": (64, 64, 3),
    "encoder.conv_layers.2.bias": (64,),
    "encoder.conv_layers.3.weight": (128, 64, 3),
    "encoder.conv_layers.3.bias": (128,),
    "decoder.conv1d.weight": (1, 128, 1),
    "decoder.conv1d.bias": (1,),
    "onnx::LSTM_209": (1, 512, 128),
    "onnx::LSTM_210": (1, 512, 128),
    "onnx::LSTM_211": (1, 1024),
}

Samples = NDArray[np.float32]
Weights = dict[str, Samples]

log = logging.getLogger(__name__)


@cache
def speech_session() -> Any:
    """Takes `input` (n, CONTEXT + FRAME), `h` and `c` (1, 1, STATE); gives probabilities (n,) and the next states. Any
    number of threads may run it at once."""
    try:
        return _session(as_products(constants_of(_network_file().read_bytes())))
    except (OSError, ValueError) as error:  # another version of the network, which the library itself knows
        from faster_whisper.vad import get_vad_model

        log.warning("Voice activity is slower than it could be: %s", error)
        return get_vad_model().session


def _network_file() -> Path:
    """It is found without an import of its package, which takes as much memory again as all that reads a recording."""
    package = importlib.util.find_spec("faster_whisper")
    if package is None or package.origin is None:
        raise FileNotFoundError("the package faster_whisper is not installed")
    return Path(package.origin).parent / "assets" / "silero_vad_v6.onnx"


def _session(model: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def as_products(weights: Weights) -> bytes:
    """The network as a file. Raises ValueError for the weights of another one."""
    wrong = [name for name, shape in _SHAPES.items() if name not in weights or weights[name].shape != shape]
    if wrong:
        raise ValueError(f"the network's weights are not those of Silero's version 6: {', '.join(wrong)}.")
    return _Network(weights).model()


class _Network:
    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._graph = Graph("silero")

    def model(self) -> bytes:
        graph = self._graph
        spectra = self._spectra("input")  # (4 n, 129)
        first = self._taps(self._padded(spectra, 4, _BINS, 1, 1), 4, 1)
        first = self._layer(first, 0, 3 * _BINS)  # (4 n, 128)
        second = self._taps(self._padded(first, 4, 128, 1, 0), 2, 2)
        second = self._layer(second, 1, 3 * 128)  # (2 n, 64)
        third = self._layer(second, 2, 2 * 64)  # of two positions before, around which there is nothing
        fourth = self._layer(third, 3, 64)
        states, hidden, cell = self._remembered(fourth)
        chances = self._chances(states)
        state = (1, 1, STATE)
        given: list[tuple[str, tuple[int | str, ...]]] = [("input", ("n", CONTEXT + FRAME)), ("h", state), ("c", state)]
        return graph.model_of_several(given, [(chances, ("n",)), (hidden, state), (cell, state)])

    def _spectra(self, samples: str) -> str:
        """Magnitudes of four overlapping stretches of each frame, the last of which is mirrored at its end."""
        graph, ints = self._graph, self._graph.ints
        padded = graph.node("Pad", samples, ints(0, 0, 0, CONTEXT), mode="reflect")
        hops = graph.node("Reshape", padded, ints(-1, 5, _HOP))
        both = graph.node("Concat", self._part(hops, 0, 4, 1), self._part(hops, 1, 5, 1), axis=2)
        basis = self._weights["encoder.feature_extractor.forward_basis_buffer"][:, 0].T
        flat = graph.node("Reshape", both, ints(-1, 2 * _HOP))
        waves = (graph.node("MatMul", flat, graph.constant(part)) for part in (basis[:, :_BINS], basis[:, _BINS:]))
        real, imaginary = (graph.node("Mul", wave, wave) for wave in waves)
        return graph.node("Sqrt", graph.node("Add", real, imaginary))

    def _padded(self, rows: str, positions: int, channels: int, before: int, after: int) -> str:
        by_frame = self._graph.node("Reshape", rows, self._graph.ints(-1, positions, channels))
        return self._graph.node("Pad", by_frame, self._graph.ints(0, before, 0, 0, after, 0))

    def _taps(self, padded: str, positions: int, stride: int) -> str:
        """What a kernel of three sees at each position, side by side: shape (n, positions, 3 channels)."""
        last = stride * (positions - 1) + 1
        return self._graph.node("Concat", *(self._part(padded, tap, tap + last, stride) for tap in range(3)), axis=2)

    def _part(self, values: str, start: int, stop: int, step: int) -> str:
        ints = self._graph.ints
        return self._graph.node("Slice", values, ints(start), ints(stop), ints(1), ints(step))

    def _layer(self, values: str, number: int, width: int) -> str:
        """A convolution whose kernel sees `width` numbers, and what is not negative of it."""
        kernel, bias = (self._weights[f"encoder.conv_layers.{number}.{name}"] for name in ("weight", "bias"))
        seen = width // kernel.shape[1]
        first = {3: 0, 2: 1, 1: 1}[seen]  # taps before see nothing but padding
        product = kernel[:, :, first : first + seen].transpose(2, 1, 0).reshape(width, -1)
        rows = self._graph.node("Reshape", values, self._graph.ints(-1, width))
        summed = self._graph.node("Gemm", rows, self._graph.constant(product), self._graph.constant(bias))
        return self._graph.node("Relu", summed)

    def _remembered(self, rows: str) -> list[str]:
        graph, weights = self._graph, self._weights
        steps = graph.node("Reshape", rows, graph.ints(-1, 1, STATE))
        constants = [graph.constant(weights[f"onnx::LSTM_{number}"]) for number in (209, 210, 211)]
        return graph.node_of_several("LSTM", steps, *constants, "", "h", "c", outputs=3, hidden_size=STATE)

    def _chances(self, states: str) -> str:
        graph = self._graph
        rows = graph.node("Relu", graph.node("Reshape", states, graph.ints(-1, STATE)))
        kernel = graph.constant(self._weights["decoder.conv1d.weight"][0])
        summed = graph.node("Gemm", rows, kernel, graph.constant(self._weights["decoder.conv1d.bias"]))
        return graph.node("Reshape", graph.node("Sigmoid", summed), graph.ints(-1))
