"""PyTorch checkpoints with random weights, and CAM++ in plain numpy to hold the ONNX file against."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from engines.speakers.networks.torch_file import Tensors


class _Storage:
    def __init__(self, key: str) -> None:
        self.key = key


class _Global:
    """Pickled as the name of something that is not there."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Call:
    def __init__(self, function: _Global, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments


_Base: Any = pickle._Pickler  # type information has only the one in C


class _Pickler(_Base):  # type: ignore[misc]  # see above
    """Writes what PyTorch writes; the Python version of the pickler lets a class be named that does not exist."""

    def persistent_id(self, given: Any) -> Any:
        return (
            ("storage", _Global("torch", "FloatStorage"), given.key, "cpu", 0) if isinstance(given, _Storage) else None
        )

    def save(self, given: Any, save_persistent_id: bool = True) -> None:
        if isinstance(given, _Global):
            self.write(f"c{given.module}\n{given.name}\n".encode())
        elif isinstance(given, _Call):
            self.save(given.function)
            self.save(given.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(given, save_persistent_id)


def calling(module: str, name: str, *arguments: Any) -> Any:
    """What a checkpoint may hold that is meant to be run when it is read."""
    return _Call(_Global(module, name), *arguments)


def write_torch(path: Path, tensors: Tensors, *more: Any) -> Path:
    """A checkpoint as torch.save writes it. more: other things that are in it."""
    rebuild = _Global("torch._utils", "_rebuild_tensor_v2")
    entries: OrderedDict[str, Any] = OrderedDict()
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, tensor) in enumerate(tensors.items()):
            stride = tuple(step // tensor.itemsize for step in tensor.strides)
            entries[name] = _Call(rebuild, _Storage(str(number)), 0, tensor.shape, stride, False, OrderedDict())
            archive.writestr(f"archive/data/{number}", tensor.tobytes("A"))
        content = io.BytesIO()
        _Pickler(content, 2).dump({"state_dict": entries, "more": list(more)})
        archive.writestr("archive/data.pkl", content.getvalue())
    return path


def segmentation_tensors(width: int) -> Tensors:
    """Random weights of the real shapes, but `width` numbers in the LSTM."""
    chance = np.random.default_rng(0)

    def numbers(*shape: int) -> np.ndarray:
        return chance.normal(0, 0.1, shape).astype(np.float32)

    filters = "sincnet.conv1d.0.filterbank."
    times = (2 * np.pi * np.arange(-125, 0) / 16_000).astype(np.float32)[None]
    tensors: Tensors = {
        f"{filters}low_hz_": np.linspace(0, 1800, 40, dtype=np.float32)[:, None],
        f"{filters}band_hz_": np.full((40, 1), 50, np.float32),
        f"{filters}window_": np.hamming(251)[:125].astype(np.float32),
        f"{filters}n_": times,
        "classifier.weight": numbers(7, 16),
        "classifier.bias": numbers(7),
    }
    for name, size in (("wav_norm1d", 1), ("norm1d.0", 80), ("norm1d.1", 60), ("norm1d.2", 60)):
        tensors |= {f"sincnet.{name}.weight": np.ones(size, np.float32), f"sincnet.{name}.bias": numbers(size)}
    for number, size in ((1, 80), (2, 60)):
        tensors |= {
            f"sincnet.conv1d.{number}.weight": numbers(60, size, 5),
            f"sincnet.conv1d.{number}.bias": numbers(60),
        }
    for layer in range(4):
        for way in ("", "_reverse"):
            end, size = f"_l{layer}{way}", 2 * width if layer else 60
            tensors |= {f"lstm.weight_ih{end}": numbers(4 * width, size), f"lstm.bias_ih{end}": numbers(4 * width)}
            tensors |= {f"lstm.weight_hh{end}": numbers(4 * width, width), f"lstm.bias_hh{end}": numbers(4 * width)}
    for number, size in ((0, 2 * width), (1, 16)):
        tensors |= {f"linear.{number}.weight": numbers(16, size), f"linear.{number}.bias": numbers(16)}
    return tensors


def embedding_tensors(channels: int) -> Tensors:
    """Random weights for one dense layer a block, with `channels` channels in the head."""
    chance = np.random.default_rng(0)
    tensors: Tensors = {}

    def conv(name: str, *shape: int, bias: bool = False) -> None:
        tensors[f"{name}.weight"] = chance.normal(0, np.prod(shape[1:]) ** -0.5, shape).astype(np.float32)
        if bias:
            tensors[f"{name}.bias"] = chance.normal(0, 0.1, shape[0]).astype(np.float32)

    def norm(name: str, size: int, *, affine: bool = True) -> None:
        tensors[f"{name}.running_mean"] = chance.normal(0, 0.1, size).astype(np.float32)
        tensors[f"{name}.running_var"] = chance.uniform(0.5, 1.5, size).astype(np.float32)
        if affine:
            tensors[f"{name}.weight"], tensors[f"{name}.bias"] = chance.normal(1, 0.1, (2, size)).astype(np.float32)

    conv("head.conv1", channels, 1, 3, 3)
    norm("head.bn1", channels)
    for layer in ("layer1", "layer2"):
        for number in (0, 1):
            for part in ("1", "2"):
                conv(f"head.{layer}.{number}.conv{part}", channels, channels, 3, 3)
                norm(f"head.{layer}.{number}.bn{part}", channels)
        conv(f"head.{layer}.0.shortcut.0", channels, channels, 1, 1)
        norm(f"head.{layer}.0.shortcut.1", channels)
    conv("head.conv2", channels, channels, 3, 3)
    norm("head.bn2", channels)
    conv("xvector.tdnn.linear", 8, 10 * channels, 5)
    norm("xvector.tdnn.nonlinear.batchnorm", 8)
    for block in ("1", "2", "3"):
        layer = f"xvector.block{block}.tdnnd1"
        norm(f"{layer}.nonlinear1.batchnorm", 8)
        conv(f"{layer}.linear1", 8, 8, 1)
        norm(f"{layer}.nonlinear2.batchnorm", 8)
        conv(f"{layer}.cam_layer.linear_local", 8, 8, 3)
        conv(f"{layer}.cam_layer.linear1", 4, 8, 1, bias=True)
        conv(f"{layer}.cam_layer.linear2", 8, 4, 1, bias=True)
        norm(f"xvector.transit{block}.nonlinear.batchnorm", 16)
        conv(f"xvector.transit{block}.linear", 8, 16, 1)
    norm("xvector.out_nonlinear.batchnorm", 8)
    conv("xvector.dense.linear", 192, 16, 1)
    norm("xvector.dense.nonlinear.batchnorm", 192, affine=False)
    return tensors


def reference_embedding(tensors: Tensors, features: np.ndarray) -> np.ndarray:
    """CAM++ in plain numpy, as 3D-Speaker's code reads."""

    def conv2d(x: np.ndarray, name: str, stride: int = 1) -> np.ndarray:
        kernel = tensors[f"{name}.weight"]
        pad = kernel.shape[2] // 2
        padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
        windows: np.ndarray = sliding_window_view(padded, kernel.shape[2:], axis=(1, 2))[:, ::stride]
        return np.asarray(np.einsum("cftab,ocab->oft", windows, kernel))

    def conv1d(x: np.ndarray, name: str, stride: int = 1, dilation: int = 1) -> np.ndarray:
        kernel = tensors[f"{name}.weight"]
        reach = (kernel.shape[2] - 1) * dilation
        padded = np.pad(x, ((0, 0), (reach // 2, reach // 2)))
        windows = sliding_window_view(padded, reach + 1, axis=1)[:, ::stride, ::dilation]
        bias = tensors.get(f"{name}.bias", np.zeros(len(kernel), np.float32))
        return np.asarray(np.einsum("cta,oca->ot", windows, kernel) + bias[:, None])

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        shape = (-1, *[1] * (x.ndim - 1))
        mean, variance = (tensors[f"{name}.running_{part}"].reshape(shape) for part in ("mean", "var"))
        scaled = np.asarray((x - mean) / np.sqrt(variance + 1e-5))
        if f"{name}.weight" not in tensors:
            return scaled
        return np.asarray(scaled * tensors[f"{name}.weight"].reshape(shape) + tensors[f"{name}.bias"].reshape(shape))

    def relu(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.maximum(x, 0))

    x = relu(norm(conv2d(features[0].T[None], "head.conv1"), "head.bn1"))
    for layer in ("layer1", "layer2"):
        for number in (0, 1):
            name, stride = f"head.{layer}.{number}", 1 if number else 2
            inner = relu(norm(conv2d(x, f"{name}.conv1", stride), f"{name}.bn1"))
            inner = norm(conv2d(inner, f"{name}.conv2"), f"{name}.bn2")
            shortcut = x if number else norm(conv2d(x, f"{name}.shortcut.0", stride), f"{name}.shortcut.1")
            x = relu(inner + shortcut)
    x = relu(norm(conv2d(x, "head.conv2", 2), "head.bn2")).reshape(-1, features.shape[1])
    x = relu(norm(conv1d(x, "xvector.tdnn.linear", 2), "xvector.tdnn.nonlinear.batchnorm"))
    for block, dilation in (("1", 1), ("2", 2), ("3", 2)):
        layer = f"xvector.block{block}.tdnnd1"
        own = conv1d(relu(norm(x, f"{layer}.nonlinear1.batchnorm")), f"{layer}.linear1")
        own = relu(norm(own, f"{layer}.nonlinear2.batchnorm"))
        means = [own[:, at - at % 100 : at - at % 100 + 100].mean(axis=1) for at in range(own.shape[1])]
        context = own.mean(axis=1, keepdims=True) + np.stack(means, axis=1)
        mask = conv1d(relu(conv1d(context, f"{layer}.cam_layer.linear1")), f"{layer}.cam_layer.linear2")
        local = conv1d(own, f"{layer}.cam_layer.linear_local", dilation=dilation)
        x = np.concatenate([x, local / (1 + np.exp(-mask))])
        transit = f"xvector.transit{block}"
        x = conv1d(relu(norm(x, f"{transit}.nonlinear.batchnorm")), f"{transit}.linear")
    x = relu(norm(x, "xvector.out_nonlinear.batchnorm"))
    x = np.concatenate([x.mean(axis=1), x.std(axis=1, ddof=1)])[:, None]
    return norm(conv1d(x, "xvector.dense.linear"), "xvector.dense.nonlinear.batchnorm")[:, 0]
