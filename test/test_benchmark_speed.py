"""`benchmark model`, `predictor` and `node`: that they measure the real thing.

How fast this machine is, is not asserted; that figures add up and that delays are seen, is.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch

from hma_depth_ros.assets import default_checkpoint
from hma_depth_ros.benchmarks import node_speed as node_benchmark
from hma_depth_ros.benchmarks.camera_feed import Turn
from hma_depth_ros.benchmarks.joined import NodeCandidate, join
from hma_depth_ros.benchmarks.model_speed import _usual_size
from hma_depth_ros.benchmarks.node_speed import NodeReport
from hma_depth_ros.benchmarks.rig import Rig
from hma_depth_ros.benchmarks.tables import node_tables
from hma_depth_ros.benchmarks.timing import Timing, take_turns
from hma_depth_ros.cli import benchmark, run_command
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
from hma_depth_ros.network.cpu import has_bf16
from hma_depth_ros.network.flops import count_flops
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import ModelConfig

CONFIG = ModelConfig("mobilenetv3_small_050", (16, 16, 8, 8, 8), aspp_channels=8)
SLEEP = 0.03


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speed") / "tiny.safetensors"
    torch.manual_seed(0)
    info = CheckpointInfo(CONFIG, Preprocessing(input_width=160, focal_length=90.0))
    save_checkpoint(path, HmaDepth(CONFIG), info)
    return path


@pytest.fixture
def baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A network that takes its time and keeps what it is given."""
    (tmp_path / "sleepy_baseline.py").write_text(
        "import time\n"
        "from torch import nn\n"
        "class Sleepy(nn.Module):\n"
        "    seen = None\n"
        "    def forward(self, x):\n"
        f"        time.sleep({SLEEP})\n"
        "        Sleepy.seen = x\n"
        "        return x\n"
        "def other():\n"
        "    return 'no network'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sleepy_baseline", raising=False)
    return "sleepy_baseline"


def run(part: str, checkpoint: Path, folder: Path, *arguments: str) -> dict[str, Any]:
    path = folder / "report.json"
    words = [part, "--checkpoint", str(checkpoint), *arguments, "--json", str(path)]
    assert benchmark.main(words) == 0
    report: dict[str, Any] = json.loads(path.read_text())
    return report


def test_candidates_take_turns():
    calls: list[str] = []

    def slow() -> None:
        calls.append("b")
        time.sleep(0.01)

    timings = take_turns({"a": lambda: calls.append("a"), "b": slow}, rounds=3)
    assert calls == ["a"] * 3 + ["b"] * 3 + ["a", "b"] * 3
    assert [len(t.wall) for t in timings.values()] == [3, 3]
    assert timings["b"].median >= 0.01 > timings["b"].cpu_median
    assert timings["a"].median < timings["b"].quartiles[0]


def test_the_usual_size_is_one_that_needs_no_padding():
    """As the node resizes KITTI's images for the bundled network: whole blocks of rows."""
    height, width = _usual_size(ModelSource(default_checkpoint()))
    assert (height % 32, width % 32) == (0, 0)
    assert abs(height - width * 375 / 1242) <= 16


def test_model_beside_a_baseline(
    checkpoint: Path, tmp_path: Path, baseline: str, capsys: pytest.CaptureFixture[str]
):
    report = run(
        "model",
        checkpoint,
        tmp_path,
        *("--size", "64x160", "--rounds", "4", "--engines", "torch:fp32,torch:fp16"),
        *("--baseline", f"{baseline}:Sleepy", "--by-stage"),
    )
    assert report["size"] == [64, 160]
    assert report["gflop"] == pytest.approx(sum(count_flops(CONFIG, (64, 160)).values()) / 1e9)
    names = list(report["candidates"])
    assert names == [f"baseline {baseline}:Sleepy", "torch fp32, as trained", "torch fp32"]
    first = report["candidates"][names[0]]
    assert first["median"] >= SLEEP
    assert first["cpu_median"] < first["median"]
    low, high = first["quartiles"]
    assert low <= first["median"] <= high
    assert {found["count"] for found in report["candidates"].values()} == {4}
    assert "needs a CUDA device" in report["left_out"]["torch fp16"]
    assert set(report["matrix_product_gflops"]) == {"fp32", *(["bf16"] if has_bf16() else [])}
    assert min(report["matrix_product_gflops"].values()) > 0
    # The parts are all of the network, in operations and in time.
    assert report["gflop"] == pytest.approx(sum(report["stage_gflop"].values()))
    for stages in report["stages"].values():
        assert list(stages) == list(report["stage_gflop"])
        assert stages["encoder"]["median"] > stages["decoder H/8: depth module"]["median"] > 0
    # The image that the engines get, normalised by ImageNet's figures: uniform noise of 0 to 255.
    seen = sys.modules[baseline].Sleepy.seen
    assert seen.shape == (1, 3, 64, 160)
    assert seen.mean((0, 2, 3)).tolist() == pytest.approx([0.07, 0.2, 0.42], abs=0.05)
    out = capsys.readouterr().out
    assert "a plain matrix product in fp32" in out
    assert "left out: torch fp16" in out


def test_wrong_baselines_and_arguments_are_one_line(
    checkpoint: Path, baseline: str, capsys: pytest.CaptureFixture[str]
):
    start = ["model", "--checkpoint", str(checkpoint)]
    for arguments, words in (
        ([*start, "--baseline", f"{baseline}:missing"], "expected module:callable"),
        ([*start, "--baseline", "no_such_module:f"], "No module named"),
        ([*start, "--baseline", f"{baseline}:other"], "returned str, not a Module"),
        ([*start, "--engines", "tensorflow"], "no engine 'tensorflow'"),
        ([*start, "--rounds", "0"], "--rounds must be 1 or more"),
        (["model", "--model", "resnet5"], "did you mean 'resnet50'?"),
        (["predictor", "--outputs", "depth,flow"], "no output 'flow'"),
        (["predictor", "--cameras", "1,two"], "--cameras takes numbers"),
        (["predictor", "--engines", "torch:fp16"], "needs a CUDA device"),
        (["predictor", "--cameras", "1,,2"], "--cameras takes numbers"),
        (["predictor", "--threads", "-1"], "--threads must not be negative"),
        (["node", "--cameras", "0"], "--cameras takes numbers such as 1,2,4, not '0'"),
        (["node", "--cameras", "x"], "--cameras takes numbers such as 1,2,4, not 'x'"),
        (["node", "--cameras", ","], "--cameras takes numbers such as 1,2,4, not ','"),
        (["node", "--threads", "two"], "--threads takes numbers such as 0,1, not 'two'"),
        (["node", "--rate", "0"], "--rate and --seconds must be positive"),
        (["node", "--topics", "depth"], "no topic 'depth'; the node has depth/image"),
    ):
        assert run_command("benchmark", arguments) == 2
        assert words in capsys.readouterr().err


def test_predictor_by_stage_and_by_number_of_cameras(checkpoint: Path, tmp_path: Path):
    report = run(
        "predictor",
        checkpoint,
        tmp_path,
        *("--image-size", "120x320", "--rounds", "4", "--engines", "torch:fp32"),
        *("--cameras", "1,3"),
    )
    assert report["network_size"] == [64, 160]
    (found,) = report["candidates"].values()
    stages = found["stages"]
    assert set(stages) == {"preprocess", "forward", "postprocess"}
    assert {stage["count"] for stage in stages.values()} == {4}
    assert found["count"] == 4
    assert 0.5 * found["median"] < sum(s["median"] for s in stages.values()) < 1.5 * found["median"]
    for kind in ("batched", "one_by_one"):
        assert list(found[kind]) == ["1", "3"]
        assert min(timing["median"] for timing in found[kind].values()) > 0


def test_nodes_over_dds(
    checkpoint: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],  # with files, of which rclpy's faster executor needs one
    monkeypatch: pytest.MonkeyPatch,
):
    pairs: list[list[Any]] = []

    def watched(joined: list[Any], **rest: Any) -> NodeCandidate:
        pairs.append(joined)
        return join(joined, **rest)

    monkeypatch.setattr(node_benchmark, "join", watched)
    report = run(
        "node",
        checkpoint,
        tmp_path,
        *("--cameras", "1,2", "--threads", "1", "--engines", "torch:fp32", "--rig"),
        *("--image-size", "120x320", "--rate", "8", "--rounds", "1", "--seconds", "2"),
        *("--parameter", "self_check:=false"),
    )
    names = ["torch fp32, 1 camera", "torch fp32, 2 cameras"]
    assert list(report["candidates"]) == [*names, *(f"{name}, one node" for name in names)]
    masks = {f"attention/scale_{scale}" for scale in (8, 4, 2, 1)}
    topics = {"depth/image", "depth/camera_info", "points", *masks}
    assert [found["nodes"] for found in report["candidates"].values()] == [1, 2, 1, 1]
    for (found, joined), cameras in zip(
        zip(report["candidates"].values(), pairs, strict=True), (1, 2, 1, 2), strict=True
    ):
        assert (found["cameras"], found["threads"], len(joined)) == (cameras, 1, cameras)
        assert found["setup"]["engine"] == "torch"
        assert found["setup"]["self-check"] == "off"  # the parameter has arrived
        check_frames(found, 8 * cameras)
        check_that_all_frames_are_their_cameras_own(found, joined, topics)
    # The images of one camera come in the middle between two of the other.
    first, second = (sorted(turn.sent.values()) for _, (turn,) in pairs[1])
    offsets = [(b - a) * 8 % 1 for a, b in zip(first, second, strict=False)]
    assert 0.25 < median(offsets) < 0.75
    # One process for both cameras has its memory once, and no CPU time twice.
    first_camera, second_camera = (recorded for recorded, _ in pairs[3])
    assert second_camera["peak_bytes"] == 0 < first_camera["peak_bytes"]
    used = [recorded["frames"][-1]["cpu"] for recorded in (first_camera, second_camera)]
    assert min(used) > 0
    # The second node is idle while there is one camera.
    (alone, (turn,)), (idle, _) = pairs[0][0], pairs[1][1]
    assert any(turn.begin < f["finished"] < turn.end for f in alone["frames"])
    assert not any(turn.begin < f["finished"] < turn.end for f in idle["frames"])
    out = capfd.readouterr().out
    assert "8 images of 120x320 a second from each camera; heard: " in out


def check_frames(found: dict[str, Any], rate: float) -> None:
    """Figures of all cameras together."""
    assert 0 < min(found["rates"].values()) <= max(found["rates"].values()) <= rate + 2
    assert 2 <= found["frames"] <= 2 * rate + 2
    stages = {name: stage["median"] for name, stage in found["stages"].items()}
    work = sum(value for name, value in stages.items() if name != "wait")
    assert found["overhead"] == pytest.approx(work / stages["forward"] - 1)
    assert found["end_to_end"]["median"] > stages["forward"]
    assert found["period"]["median"] == pytest.approx(1 / 8, rel=0.5)
    assert found["period"]["cpu_median"] > 0
    assert found["peak_bytes"] > found["nodes"] * 50e6
    # Depth, four masks and the cloud with 32 bytes a point; headers and camera_info.
    assert found["frame_bytes"] == pytest.approx(120 * 320 * (5 * 4 + 32), abs=2000)
    assert found["copy"]["median"] > 0


def check_that_all_frames_are_their_cameras_own(
    found: dict[str, Any], joined: list[Any], topics: set[str]
) -> None:
    stamps: list[int] = []
    for (recorded, (turn,)), camera in zip(joined, found["by_camera"], strict=True):
        stamps += turn.sent
        sent = sum(turn.begin <= when <= turn.end for when in turn.sent.values())
        assert camera["images_per_second"] == sent / 2
        assert set(camera["rates"]) == topics
        for topic in topics:
            arrived = [(stamp, when) for name, stamp, when in turn.arrived if name == topic]
            # Each image comes back once at most.
            assert len(dict(arrived)) == len(arrived)
            assert dict(arrived).keys() <= turn.sent.keys()
            counted = sum(turn.begin <= when <= turn.end for _, when in arrived)
            assert camera["rates"][topic] == counted / 2 > 0
        assert camera["frames_per_second"] == min(camera["rates"].values())
        processed = sum(turn.begin <= f["finished"] <= turn.end for f in recorded["frames"])
        assert 0 < processed <= sent + 1
    assert len(set(stamps)) == len(stamps)
    assert found["peak_bytes"] == sum(recorded["peak_bytes"] for recorded, _ in joined)
    for topic in topics:
        assert found["rates"][topic] == sum(c["rates"][topic] for c in found["by_camera"])


def test_rigs_are_every_number_of_cameras_with_every_number_of_threads():
    assert benchmark._rigs("1,2", "0") == [Rig(1, 0), Rig(2, 0)]
    assert benchmark._rigs("4,1,4", "0,2") == [Rig(4, 0), Rig(4, 2), Rig(1, 0), Rig(1, 2)]
    both = [Rig(1, 0), Rig(1, 0, one_node=True), Rig(2, 0), Rig(2, 0, one_node=True)]
    assert benchmark._rigs("1,2", "0", one_node=True) == both


def frame(finished: float, cpu: float, wait: float, forward: float) -> dict[str, Any]:
    stages = {"wait": wait, "convert": 0.001, "forward": forward, "publish": 0.002}
    return {
        "finished": finished,
        "cpu": cpu,
        "latency": sum(stages.values()),
        "stages": stages,
    }


def test_figures_of_node_and_listener_come_together():
    turn = Turn(
        begin=100.0,
        end=102.0,
        sent={1: 100.0, 2: 100.1, 3: 101.9},
        arrived=[
            ("depth/image", 1, 100.04),
            ("points", 1, 100.05),
            ("depth/image", 2, 100.16),
            ("points", 2, 100.17),
            ("points", 7, 100.18),  # of another camera
            ("points", 3, 102.5),  # after the end
        ],
    )
    recorded: dict[str, Any] = {
        "setup": {"engine": "torch", "precision": "fp32"},
        "frames": [
            frame(99.9, 1.0, 0.0, 0.02),  # warm-up
            frame(100.04, 1.1, 0.0005, 0.02),
            frame(100.16, 1.3, 0.0007, 0.03),
            frame(100.20, 1.4, 0.0300, 0.04),  # had to wait for the one before
        ],
        "drops": [
            {"when": 99.9, "cause": "replaced by a newer frame", "frames": 1},  # warm-up
            {"when": 100.1, "cause": "replaced by a newer frame", "frames": 2},
        ],
        "peak_bytes": 5,
    }
    topics = ["depth/image", "points"]
    timing = Timing([0.025])
    alone: dict[str, Any] = {
        "forward_alone": timing,
        "frame_bytes": 1_500_000,
        "copy": Timing([0.002]),
    }
    found = join([(recorded, [turn])], threads=0, topics=topics, **alone)
    assert found.frames == 3
    assert found.sent == [1.5]
    assert found.rates == [{"depth/image": 1.0, "points": 1.0}]
    assert found.end_to_end.wall == pytest.approx([0.05, 0.07])
    assert found.period.wall == pytest.approx([0.12, 0.04])
    assert found.period.cpu == pytest.approx([0.2, 0.1])
    assert found.hand_over.wall == [0.0007]
    assert found.work == pytest.approx(0.001 + 0.03 + 0.002)
    assert found.overhead == pytest.approx(0.1)
    assert found.dropped == {"replaced by a newer frame": 2}

    (outside, inside) = node_tables(NodeReport({"torch fp32": found}, {}))
    assert outside.title == "the node, seen from outside; ms"
    headers = ["frames/s", "image to last output", "quartiles", "CPU of a frame", "peak MiB"]
    assert [column.header for column in outside.columns] == ["", *headers]
    assert [next(iter(column.cells)) for column in outside.columns[:3]] == [
        *("torch fp32", "1.0", "60.0")
    ]
    assert [column.header for column in inside.columns] == [
        *("", "wait", "convert", "forward", "publish"),
        *("hand-over", "forward alone", "beyond forward"),
        *("MB published", "one copy of it"),
    ]
    assert [next(iter(column.cells)) for column in inside.columns[-3:]] == ["10%", "1.5", "2.0"]

    # A second camera that is on at the same time, slower; nothing of one goes into the other's.
    other = Turn(100.0, 102.0, {7: 100.1}, [(topic, 7, 100.4) for topic in topics])
    slow = {**recorded, "frames": recorded["frames"][1:], "peak_bytes": 7, "drops": []}
    both = join([(recorded, [turn]), (slow, [other])], threads=1, topics=topics, **alone)
    assert (both.cameras, both.threads, both.frames, both.peak_bytes) == (2, 1, 6, 12)
    assert both.frame_rates == [1.0, 0.5]
    assert both.end_to_end.wall == pytest.approx([0.05, 0.07, 0.3])
    assert both.period.wall == pytest.approx([0.12, 0.04] * 2)
    assert both.dropped == {"replaced by a newer frame": 2}
    (outside, _) = node_tables(NodeReport({"torch fp32, 2 cameras": both}, {}))
    assert [next(iter(column.cells)) for column in outside.columns[:6]] == [
        *("torch fp32", "2", "1", "2.0", "0.5 to 1.0", "1.5")
    ]

    slow["frames"] = []
    with pytest.raises(HmaDepthError, match="take more --seconds"):
        join([(recorded, [turn]), (slow, [other])], threads=1, topics=topics, **alone)


def test_a_node_that_fails_is_quoted(checkpoint: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ["node", "--checkpoint", str(checkpoint), "--engines", "torch:fp32"]
    assert run_command("benchmark", [*arguments, "--parameter", "cloud_layout:=spiral"]) == 2
    error = capsys.readouterr().err
    assert "the node does not get ready" in error or "ended with status" in error
    assert "cloud_layout" in error
