"""Nothing is computed that nobody listens to."""

from __future__ import annotations

import pytest
from sensor_msgs.msg import CameraInfo

from .conftest import Predictions, StartBench
from .graph import HEIGHT, MASKS, TYPES, WIDTH, Bench, info_message, rgb_message, until

NEEDS = {
    "depth/image": {"depth"},
    "depth/image/compressedDepth": {"depth"},
    "depth/color": {"depth"},
    "points": {"points"},
    **{topic: {"attention"} for topic in (*MASKS, "attention/color")},
}


def skipped(bench: Bench) -> int:
    return bench.camera.statistics.skipped["nobody listens"]


def test_without_listeners_nothing_runs(start: StartBench, predictions: Predictions):
    bench = start()
    bench.publish(info_message())
    for number in range(1, 6):
        bench.publish(rgb_message(number))
        until(lambda n=number: skipped(bench) == n, "the frame")  # type: ignore[misc]
    assert predictions.outputs == []
    figures = bench.figures()
    assert figures["frames received"] == "5"
    assert figures["frames processed"] == "0"
    assert (figures["frames dropped"], figures["frames skipped"]) == ("0", "5")
    assert figures["skipped: nobody listens"] == "5"


@pytest.mark.parametrize("topic", NEEDS)
def test_one_listener_gets_its_own_output_only(
    start: StartBench, predictions: Predictions, topic: str
):
    bench = start()
    published = {name: count_published(bench, name) for name in TYPES}
    bench.listen(topic)
    bench.infer(rgb_message(1), info_message())
    assert predictions.outputs == [frozenset(NEEDS[topic])]
    assert {name for name, calls in published.items() if calls} == {topic}


def test_points_that_cannot_be_had_are_not_computed(start: StartBench, predictions: Predictions):
    bench = start()
    bench.listen("points")
    bench.publish(CameraInfo(width=WIDTH, height=HEIGHT))
    until(lambda: bench.camera.input.pairing.latest, "the calibration")
    bench.publish(rgb_message(1))
    until(lambda: bench.camera.statistics.processed == 1, "the frame")
    assert predictions.outputs == []


def count_published(bench: Bench, topic: str) -> list[object]:
    """Uses of the node's publisher of a topic to publish, from now on."""
    calls: list[object] = []
    publishers = bench.camera.outputs.publishers
    publisher = publishers[topic]

    class Recording:
        """The publisher; `publish` and `handle` are the two ways to publish."""

        def __getattr__(self, name: str) -> object:
            if name in ("publish", "handle"):
                calls.append(name)
            return getattr(publisher, name)

    publishers[topic] = Recording()
    return calls


def test_a_camera_info_costs_no_inference(start: StartBench, predictions: Predictions):
    bench = start()
    bench.listen("depth/camera_info")
    bench.infer(rgb_message(1), info_message())
    assert predictions.outputs == []


def test_points_that_cannot_be_made_cost_no_inference(start: StartBench, predictions: Predictions):
    bench = start(inputs={"publish_info": False})
    bench.listen("points")
    bench.publish(rgb_message(1))
    until(lambda: bench.camera.statistics.processed, "the frame")
    assert predictions.outputs == []


def test_listeners_come_and_go(start: StartBench, predictions: Predictions):
    bench = start()
    bench.publish(info_message())
    bench.listen("depth/image")
    bench.infer(rgb_message(1))
    publishers = bench.camera.outputs.publishers
    for subscription in list(bench.tester.subscriptions):
        if subscription.topic_name.endswith("depth/image"):
            bench.tester.destroy_subscription(subscription)
    until(lambda: publishers["depth/image"].get_subscription_count() == 0, "nobody listening")
    bench.publish(rgb_message(2))
    until(lambda: skipped(bench) == 1, "the frame")
    bench.received.clear()
    bench.listen("points")
    bench.infer(rgb_message(3))
    assert predictions.outputs == [{"depth"}, {"points"}]
