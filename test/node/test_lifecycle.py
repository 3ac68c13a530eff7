"""The managed node: its states, what each of them holds, and the way back from an error."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.srv import ChangeState

from hma_depth_ros.ros.depth_node import camera_stream, node
from hma_depth_ros.ros.depth_node.load_predictor import LoadedModel

from .conftest import StartBench
from .graph import DEADLINE, TYPES, Bench, info_message, rgb_message, until


def workers(bench: Bench) -> list[threading.Thread]:
    """Worker threads of all nodes."""
    return [thread for thread in threading.enumerate() if thread.name == "depth_worker"]


def own_topics(bench: Bench) -> set[str]:
    """Topics that the node publishes or subscribes to, as others see them."""
    prefix = f"{bench.namespace}/"
    found = set()
    for name, _ in bench.tester.get_topic_names_and_types():
        infos = [
            *bench.tester.get_publishers_info_by_topic(name),
            *bench.tester.get_subscriptions_info_by_topic(name),
        ]
        if name.startswith(prefix) and any(info.node_name == bench.name for info in infos):
            found.add(name.removeprefix(prefix))
    return found & {*TYPES, "image", "camera_info"}


INPUTS = {"image", "camera_info"}


@pytest.mark.parametrize("timeout", [0.1, 0.0])
def test_the_diagnostics_go_on_while_a_model_is_loaded(
    start: StartBench, monkeypatch: pytest.MonkeyPatch, timeout: float
):
    """And say so if it takes long: an engine may be compiling, or hang."""
    go_on = threading.Event()

    def slow(*args: Any, **kwargs: Any) -> LoadedModel:
        assert go_on.wait(DEADLINE)
        return LoadedModel(*args, **kwargs)

    monkeypatch.setattr(node, "LoadedModel", slow)
    bench = start(autostart=False, engine_timeout=timeout, inputs={"publish": False})
    client = bench.client(ChangeState, "change_state")
    request = ChangeState.Request()
    request.transition.label = "configure"
    answer = client.call_async(request)
    until(lambda: bench.figures()["state"] == "configuring", "the diagnostics meanwhile")
    status = bench.status()
    assert status.level == DiagnosticStatus.WARN
    if timeout:
        until(lambda: "the network is not loaded after" in bench.status().message, "the warning")
        bench.hears("configure: the network is not loaded after")
    else:
        assert status.message == "configuring"
    go_on.set()
    until(answer.done, "the answer")
    assert answer.result().success
    assert bench.status().message == "inactive"


def test_autostart_activates(start: StartBench):
    bench = start()
    assert bench.state() == "active"
    assert own_topics(bench) == {*TYPES, *INPUTS}
    assert bench.figures()["state"] == "active"


def test_through_all_states_twice(start: StartBench):
    bench = start(autostart=False)
    assert bench.state() == "unconfigured"
    assert own_topics(bench) == set()
    assert bench.figures()["state"] == "unconfigured"

    frames = 0
    for _ in range(2):
        assert bench.change("configure")
        assert bench.state() == "inactive"
        until(lambda: own_topics(bench) == set(TYPES), "outputs without inputs")
        assert workers(bench) == []

        for _ in range(2):
            assert bench.change("activate")
            assert bench.state() == "active"
            assert len(workers(bench)) == 1
            bench.connect()
            bench.received.clear()
            bench.listen("depth/image", "points")
            frames += 1
            bench.infer(rgb_message(frames), info_message())

            assert bench.change("deactivate")
            assert bench.state() == "inactive"
            assert workers(bench) == []
            until(lambda: own_topics(bench) == set(TYPES), "the inputs to go")

        model = weakref.ref(bench.node._model.engine)
        assert bench.change("cleanup")
        assert bench.state() == "unconfigured"
        until(lambda: own_topics(bench) == set(), "the outputs to go")
        gc.collect()
        assert model() is None, "the model is still in memory"
    statistics = bench.camera.statistics
    assert statistics.processed == statistics.arrived == frames


def test_an_inactive_node_takes_no_frames(start: StartBench):
    bench = start()
    bench.listen("depth/image")
    bench.infer(rgb_message(1), info_message())
    assert bench.change("deactivate")
    until(lambda: bench.image_publisher.get_subscription_count() == 0, "the unsubscription")
    bench.publish(rgb_message(2))
    assert bench.change("activate")
    bench.connect()
    bench.infer(rgb_message(3), info_message())
    assert [m.header.stamp.sec for m in bench.received["depth/image"]] == [1, 3]


@pytest.mark.parametrize("transitions", [[], ["deactivate"], ["deactivate", "cleanup"]])
def test_shutdown_from_every_state(start: StartBench, transitions: list[str]):
    bench = start()
    for transition in transitions:
        assert bench.change(transition)
    assert bench.change("shutdown")
    assert bench.state() == "finalized"
    assert workers(bench) == []
    assert bench.node._model is None
    assert bench.said() == []


def broken_checkpoint(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.safetensors"
    if kind == "text":
        path.write_text("not a checkpoint")
    elif kind == "folder":
        path.mkdir()
    elif kind == "foreign":
        from safetensors.torch import save_file

        save_file({"weight": torch.zeros(3)}, path)
    return path


@pytest.mark.parametrize("kind", ["missing", "text", "folder", "foreign"])
def test_a_wrong_checkpoint_is_one_error_that_can_be_mended(
    start: StartBench, checkpoint: Path, tmp_path: Path, kind: str
):
    path = broken_checkpoint(tmp_path, kind)
    bench = start(checkpoint=str(path))
    message = bench.hears(str(path), level=40)
    assert "\n" not in message
    assert "Traceback" not in message
    assert bench.said() == [message]
    assert bench.state() == "unconfigured"
    assert not bench.change("configure")
    assert bench.state() == "unconfigured"

    status = bench.status()
    assert status.level == b"\x02", "a node that could not be configured is in error"
    assert str(path) in status.message

    assert bench.set(checkpoint=str(checkpoint)).successful
    assert bench.change("configure")
    assert bench.change("activate")
    bench.connect()
    bench.listen("depth/image")
    bench.infer(rgb_message(1), info_message())
    assert bench.status().level == b"\x00"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"device": "gpu"}, "no device 'gpu'; use auto, cpu, cuda or cuda:N"),
        ({"device": "cuda:99"}, "no device 'cuda:99'"),
        ({"device": "cpu", "precision": "fp16"}, "precision fp16 needs a CUDA device"),
    ],
)
def test_a_device_that_is_not_there(start: StartBench, parameters: dict[str, str], words: str):
    bench = start(inputs={"publish": False}, **parameters)
    bench.hears(words, level=40)
    assert len(bench.said()) == 1
    assert bench.state() == "unconfigured"
    assert bench.set(device="cpu", precision="fp32").successful
    assert bench.change("configure")


def test_a_bug_while_configuring_is_logged_and_can_be_left(
    start: StartBench, monkeypatch: pytest.MonkeyPatch
):
    """Of itself, rclpy swallows the exception."""
    with monkeypatch.context() as patch:
        patch.setattr(node, "LoadedModel", lambda *_, **__: 1 / 0)
        bench = start(inputs={"publish": False})
        assert "Traceback" in bench.hears("ZeroDivisionError", level=40)
        assert bench.state() == "unconfigured"
        assert bench.status().level == b"\x02"
    assert bench.change("configure")
    assert bench.change("activate")
    assert bench.status().level == b"\x00"


def test_a_bug_in_the_worker_is_logged_and_survived(
    start: StartBench, monkeypatch: pytest.MonkeyPatch
):
    bench = start()
    bench.listen("depth/image")
    bench.publish(info_message())
    with monkeypatch.context() as patch:
        patch.setattr(camera_stream, "image_from_message", lambda _: 1 / 0)
        bench.publish(rgb_message(1))
        assert "Traceback" in bench.hears("ZeroDivisionError", level=40)
    until(lambda: bench.camera.statistics.failed == {"internal error": 1}, "the count")
    bench.infer(rgb_message(2))
