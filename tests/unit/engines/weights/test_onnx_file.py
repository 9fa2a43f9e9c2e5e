"""ONNX files are written so that onnxruntime reads them, and read as they were written."""

from __future__ import annotations

import numpy as np
import pytest

from engines.weights.onnx_file import Graph, constants_of


def test_a_graph_may_take_and_give_several_things() -> None:
    graph = Graph("split")
    first, second = graph.node_of_several("Split", "a", outputs=2, axis=0)
    total = graph.node("Add", first, "b")
    shape = (1,)
    model = graph.model_of_several([("a", (2,)), ("b", shape)], [(total, shape), (second, shape)])
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found = session.run(None, {"a": np.array([1, 2], np.float32), "b": np.array([10], np.float32)})
    assert [row.tolist() for row in found] == [[11], [2]]


def test_constants_are_read_as_they_were_written() -> None:
    graph = Graph("sum")
    array = np.arange(300, dtype=np.float32).reshape(3, 100)
    name = graph.constant(array)
    graph.ints(1, 2)  # no float32
    total = graph.node("Add", "given", name)
    found = constants_of(graph.model(("given", (3, 100)), (total, (3, 100))))
    assert list(found) == [name]
    assert np.array_equal(found[name], array)


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"\x3a\xff"])
def test_what_is_no_file_is_told(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"unpack|ONNX"):
        constants_of(content)
