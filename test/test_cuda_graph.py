"""How CUDA graphs are recorded: with a stand-in for CUDA, and for real where there is one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from hma_depth_ros.inference.engines import cuda_graph
from hma_depth_ros.inference.engines.cuda_graph import KEPT_SIZES, WARM_UPS, CapturedModel
from hma_depth_ros.network import float32
from hma_depth_ros.network.float32 import float32_means_float32
from hma_depth_ros.network.model import ScaleMaps


class Graph:
    """Replays by computing again what was recorded."""

    def __init__(self) -> None:
        self.replays = 0
        self._pool: object = None

    def pool(self) -> object:
        return self._pool

    def replay(self) -> None:
        self.replays += 1


class _Stream:
    def __init__(self, device: torch.device) -> None:
        self.device = device

    def wait_stream(self, other: _Stream) -> None:
        pass


class Cuda:
    """`torch.cuda` on a machine without it; tells on which stream and into which memory."""

    CUDAGraph = Graph
    Stream = _Stream

    def __init__(self) -> None:
        self.recorded: list[dict[str, Any]] = []
        self.current = _Stream(torch.device("cpu"))
        self.emptied = 0

    def current_stream(self, _device: torch.device) -> _Stream:
        return self.current

    @contextmanager
    def device(self, _device: torch.device) -> Iterator[None]:
        yield

    @contextmanager
    def stream(self, stream: _Stream) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    @contextmanager
    def graph(self, graph: Graph, **how: Any) -> Iterator[None]:
        graph._pool = how["pool"]
        self.recorded.append({"graph": graph, "current": self.current, **how})
        yield

    def empty_cache(self) -> None:
        self.emptied += 1

    def graph_pool_handle(self) -> object:
        return object()


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    found = Cuda()
    monkeypatch.setattr(cuda_graph, "torch", SimpleNamespace(**vars(torch) | {"cuda": found}))
    return found


def maps_of(image: Tensor) -> ScaleMaps:
    size = (image.shape[-2], image.shape[-1])
    return ScaleMaps([image.float().sum(1, keepdim=True)], [], size, size)


def test_it_is_recorded_on_a_stream_of_its_own_device(cuda: Cuda):
    calls: list[Tensor] = []

    def model(image: Tensor) -> ScaleMaps:
        calls.append(image)
        return maps_of(image)

    captured = CapturedModel(model)
    image = torch.randint(0, 256, (1, 3, 4, 6), dtype=torch.uint8)
    captured(image)
    (first,) = cuda.recorded
    assert first["stream"] is first["current"], "PyTorch's default one is of the first device"
    assert first["stream"].device == image.device
    assert first["capture_error_mode"] == "thread_local"
    assert len(calls) == WARM_UPS + 1
    assert calls[-1].dtype == torch.uint8, "normalisation is in the recording"
    other = torch.randint(0, 256, (1, 3, 4, 6), dtype=torch.uint8)
    captured(other)
    assert len(calls) == WARM_UPS + 1, "recorded once"
    assert first["graph"].replays == 2
    assert torch.equal(calls[-1], other), "and the recording reads the new image"


def test_sizes_share_memory_and_stream(cuda: Cuda):
    captured = CapturedModel(maps_of)
    for width in range(1, KEPT_SIZES + 3):
        captured(torch.zeros(1, 3, 4, width))
    assert len(cuda.recorded) == KEPT_SIZES + 2
    pool = cuda.recorded[0]["graph"].pool()
    assert all(found["pool"] is pool for found in cuda.recorded[1:])
    assert len({id(found["stream"]) for found in cuda.recorded}) == 1
    assert len(captured._recordings) == KEPT_SIZES
    captured.forget()
    assert cuda.emptied == 1
    captured(torch.zeros(1, 3, 4, 1))
    # Memory that no recording holds any more is gone, and cannot be named again.
    assert cuda.recorded[-1]["pool"] is not pool


def test_what_cannot_be_recorded_runs_as_it_is_with_one_warning(
    cuda: Cuda, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    @contextmanager
    def broken(_graph: Graph, **how: Any) -> Iterator[None]:
        cuda.recorded.append(how)
        yield
        raise RuntimeError("operation not permitted when stream is capturing\nmore lines")

    cuda.graph = broken  # type: ignore[method-assign,assignment]
    renewed: list[torch.device] = []
    monkeypatch.setattr(cuda_graph, "_renew_generator", renewed.append)
    captured = CapturedModel(maps_of)
    before = cuda.current
    with caplog.at_level(logging.WARNING):
        for value in (1, 2):
            image = torch.full((1, 3, 2, 2), value, dtype=torch.uint8)
            assert torch.equal(captured(image).depths[0], maps_of(image).depths[0])
        captured(torch.zeros(1, 3, 2, 5))
    assert cuda.current is before, "later work is not on the stream of the failed recording"
    assert len(cuda.recorded) == 1, "it is not tried again"
    assert not captured._recordings
    assert renewed == [torch.device("cpu")], "or no random number could be drawn any more"
    (record,) = caplog.records
    assert "cannot be recorded as a CUDA graph (operation not permitted when" in record.message
    assert "more lines" not in record.message


def test_a_recording_is_tuned_also_where_the_model_itself_asks_for_less(cuda: Cuda):
    tuned: list[bool] = []

    def model(image: Tensor) -> ScaleMaps:
        with float32_means_float32(tuned=False):
            tuned.append(torch.backends.cudnn.benchmark)
            return maps_of(image)

    CapturedModel(model)(torch.zeros(1, 3, 4, 6))
    assert tuned == [True] * (WARM_UPS + 1)


#: Where PyTorch (2.9 and later) can be told how float32 is computed: all, all on CUDA, operations.
PARTS: dict[str, Any] = {
    "all": torch.backends,
    "cuda": torch.backends.cudnn,
    "matmul": torch.backends.cuda.matmul,
    "conv": torch.backends.cudnn.conv,  # type: ignore[attr-defined]
    "rnn": torch.backends.cudnn.rnn,  # type: ignore[attr-defined]
}


def precisions() -> dict[str, str]:
    return {name: part.fp32_precision for name, part in PARTS.items()}


@contextmanager
def set_to(part: Any, name: str, value: object) -> Iterator[None]:
    before = getattr(part, name)
    setattr(part, name, value)
    try:
        yield
    finally:
        setattr(part, name, before)


def followed() -> list[dict[str, str]]:
    """What the parts make of a precision of all."""
    found = []
    for precision in ("ieee", "tf32"):
        with set_to(torch.backends, "fp32_precision", precision):
            found.append(precisions())
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"all": "tf32"},
        {"all": "bf16"},
        {"cuda": "tf32"},
        {"cuda": "ieee", "all": "tf32"},
        {"matmul": "tf32"},
        {"matmul": "tf32", "cuda": "none", "all": "ieee"},
        {"rnn": "ieee"},
    ],
)
def test_flags_are_set_and_restored(settings: dict[str, str]):
    """Whatever a program has set, and so that what follows its settings still does."""
    cudnn = torch.backends.cudnn
    with ExitStack() as host:
        for name, precision in settings.items():
            host.enter_context(set_to(PARTS[name], "fp32_precision", precision))
        host.enter_context(set_to(cudnn, "deterministic", True))
        host.enter_context(set_to(cudnn, "enabled", False))
        before = precisions(), followed()
        with pytest.raises(KeyError), float32_means_float32(tuned=True):
            assert set(precisions().values()) == {"ieee"}
            assert (cudnn.benchmark, cudnn.deterministic, cudnn.enabled) == (True, True, False)
            with float32_means_float32(tuned=False):
                assert cudnn.benchmark, "the outer one's"
            assert set(precisions().values()) == {"ieee"}
            raise KeyError
        assert (cudnn.benchmark, cudnn.deterministic, cudnn.enabled) == (False, True, False)
        assert (precisions(), followed()) == before


@pytest.mark.parametrize("whole", ["none", "tf32"])
def test_flags_are_restored_from_what_a_compiler_leaves(whole: str):
    """torch.compile writes down what products had meanwhile, as if that were asked for."""
    products = PARTS["matmul"]
    with set_to(products, "fp32_precision", "none"), set_to(PARTS["all"], "fp32_precision", whole):
        before = precisions()
        with float32_means_float32(tuned=False):
            products.fp32_precision = products.fp32_precision
        assert precisions() == before


def test_before_pytorch_2_9_flags_are_set_and_restored():
    cudnn = torch.backends.cudnn
    assert (torch.get_float32_matmul_precision(), cudnn.allow_tf32) == ("highest", True)
    torch.set_float32_matmul_precision("medium")
    try:
        with pytest.raises(KeyError), float32._as_a_whole():
            assert (torch.get_float32_matmul_precision(), cudnn.allow_tf32) == ("highest", False)
            raise KeyError
        assert (torch.get_float32_matmul_precision(), cudnn.allow_tf32) == ("medium", True)
    finally:
        torch.set_float32_matmul_precision("highest")


def test_flags_are_one_thread_s_at_a_time():
    before = precisions()
    entered = threading.Event()
    inside: list[dict[str, str]] = []

    def other() -> None:
        with float32_means_float32(tuned=False):
            entered.set()
            left.wait(10)
            inside.append(precisions())

    left = threading.Event()
    thread = threading.Thread(target=other)
    with float32_means_float32(tuned=True):
        thread.start()
        assert not entered.wait(0.2)
    left.set()
    thread.join(10)
    assert [set(found.values()) for found in inside] == [{"ieee"}]
    assert precisions() == before


@pytest.mark.cuda
def test_on_every_device_a_recording_says_what_the_model_says():
    for index in range(torch.cuda.device_count()):
        device = torch.device("cuda", index)
        captured = CapturedModel(maps_of)
        for seed, size in enumerate([(8, 12), (8, 12), (5, 7), (8, 12), (16, 3), (5, 7)]):
            torch.manual_seed(seed)
            image = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8, device=device)
            assert torch.equal(captured(image).depths[0], maps_of(image).depths[0])
        pools = {recording.graph.pool() for recording in captured._recordings.values()}
        assert len(pools) == 1
        captured.forget()
        image = torch.randint(0, 256, (1, 3, 6, 6), dtype=torch.uint8, device=device)
        assert torch.equal(captured(image).depths[0], maps_of(image).depths[0])


@pytest.mark.cuda
def test_on_cuda_a_failed_recording_leaves_the_device_usable(caplog: pytest.LogCaptureFixture):
    def model(image: Tensor) -> ScaleMaps:
        assert float(image.float().mean()) >= 0  # waits, which cannot be recorded
        return maps_of(image)

    captured = CapturedModel(model)
    stream = torch.cuda.current_stream()
    with caplog.at_level(logging.WARNING):
        for seed in range(3):
            torch.manual_seed(seed)
            image = torch.randint(0, 256, (1, 3, 4, 6), dtype=torch.uint8, device="cuda")
            assert torch.equal(captured(image).depths[0], maps_of(image).depths[0])
    assert torch.cuda.current_stream() == stream
    assert len(caplog.records) == 1
    torch.cuda.synchronize()


@pytest.mark.cuda
def test_fp32_convolutions_on_cuda_have_24_bits():
    torch.manual_seed(0)
    x, weight = torch.randn(1, 64, 32, 32), torch.randn(64, 64, 3, 3)
    expected = torch.nn.functional.conv2d(x.double(), weight.double())
    with float32_means_float32(tuned=False):
        found = torch.nn.functional.conv2d(x.cuda(), weight.cuda()).cpu().double()
    assert float((found - expected).norm() / expected.norm()) < 2e-6  # TF32: about 3e-4
