"""Reads the weights of ONNX files and writes such files, without the `onnx` package: protocol buffers by hand, as far
as our networks need them.

Field numbers are those of onnx.proto3 (ONNX 1.12, opset 17, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPSET, IR_VERSION = 17, 8
_FLOAT, _INT64 = 1, 7  # TensorProto.DataType
_ATTRIBUTE_FLOAT, _ATTRIBUTE_INT, _ATTRIBUTE_STRING, _ATTRIBUTE_INTS = 1, 2, 3, 7  # AttributeProto.AttributeType

Attribute = float | int | str | Sequence[int]
Shape = Sequence[int | str]  # a name stands for a length that may vary


class Graph:
    """A graph that grows node by node; each call returns the name of what the node gives."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []
        self._count = 0

    def constant(self, array: NDArray[Any]) -> str:
        """Float32 or int64; a number with shape () stays one."""
        name = self._new("c")
        kind, array = (_INT64, array.astype("<i8")) if array.dtype.kind == "i" else (_FLOAT, array.astype("<f4"))
        dims = b"".join(_number(1, length) for length in array.shape)
        data = array.tobytes()  # in C order, whatever the array's own is
        self._constants.append(dims + _number(2, kind) + _text(8, name) + _bytes(9, data))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def node(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Attribute) -> str:
        """The name of its first output; what else it gives is not asked for. outputs: how many it is to have."""
        return self.node_of_several(operator, *inputs, outputs=outputs, **attributes)[0]

    def node_of_several(self, operator: str, *inputs: str, outputs: int, **attributes: Attribute) -> list[str]:
        """The names of all its outputs. An input that is left out is called ""."""
        names = [self._new("v") for _ in range(outputs)]
        body = b"".join(_text(1, each) for each in inputs) + b"".join(_text(2, each) for each in names)
        body += _text(3, names[0]) + _text(4, operator)
        body += b"".join(_bytes(5, _attribute(name, value)) for name, value in attributes.items())
        self._nodes.append(body)
        return names

    def model(self, given: tuple[str, Shape], result: tuple[str, Shape]) -> bytes:
        """The file. given, result: the names and shapes of the input and the output, both float32."""
        return self.model_of_several([given], [result])

    def model_of_several(self, given: Sequence[tuple[str, Shape]], results: Sequence[tuple[str, Shape]]) -> bytes:
        """As `model`, for any number of inputs and outputs."""
        graph = b"".join(_bytes(1, node) for node in self._nodes) + _text(2, self._name)
        graph += b"".join(_bytes(5, constant) for constant in self._constants)
        graph += b"".join(_bytes(11, _value(*each)) for each in given)
        graph += b"".join(_bytes(12, _value(*each)) for each in results)
        return (
            _number(1, IR_VERSION)
            + _text(2, "whisper-native")
            + _bytes(7, graph)
            + _bytes(8, _text(1, "") + _number(2, OPSET))
        )

    def _new(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"


def constants_of(model: bytes) -> dict[str, NDArray[np.float32]]:
    """The float32 constants of a file by their names. Raises ValueError for what is no such file."""
    found: dict[str, NDArray[np.float32]] = {}
    try:
        (graph,) = (value for field, value in _fields(model) if field == 7)
        for field, value in _fields(graph):
            if field == 5:
                parts = list(_fields(value))
                given = dict(parts)
                if given[2] == _FLOAT and 9 in given:
                    shape = [number for name, number in parts if name == 1]
                    found[given[8].decode()] = np.frombuffer(given[9], "<f4").reshape(shape)
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError(f"This is no ONNX file: {error}") from error
    return found


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a message's fields: integers, or bytes."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        field, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _read_varint(message, at)
            yield field, value
            continue
        if wire == 2:
            length, at = _read_varint(message, at)
        else:
            length = {1: 8, 5: 4}[wire]
        yield field, message[at : at + length]
        at += length


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _value(name: str, shape: Shape) -> bytes:
    dims = b"".join(_bytes(1, _text(2, each) if isinstance(each, str) else _number(1, each)) for each in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, _FLOAT) + _bytes(2, dims)))


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, float):
        return _text(1, name) + _key(2, 5) + struct.pack("<f", value) + _number(20, _ATTRIBUTE_FLOAT)
    if isinstance(value, int):
        return _text(1, name) + _number(3, value) + _number(20, _ATTRIBUTE_INT)
    if isinstance(value, str):
        return _text(1, name) + _text(4, value) + _number(20, _ATTRIBUTE_STRING)
    return _text(1, name) + b"".join(_number(8, each) for each in value) + _number(20, _ATTRIBUTE_INTS)


def _key(field: int, wire: int) -> bytes:
    return _varint(field << 3 | wire)


def _number(field: int, value: int) -> bytes:
    return _key(field, 0) + _varint(value & 0xFFFFFFFFFFFFFFFF)


def _bytes(field: int, value: bytes) -> bytes:
    return _key(field, 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
