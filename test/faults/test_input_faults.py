"""What comes from outside is wrong: cameras, calibrations, subscribers, parameters, requests.

All of it is done to one process, which has to live through it, and whose account has to be right in
each message of its diagnostics.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rcl_interfaces.msg import ParameterDescriptor, ParameterType
from rcl_interfaces.srv import DescribeParameters, ListParameters
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from hma_depth_ros.benchmarks.soak.process_figures import ProcessFigures

from .bench import OK, FaultBench, graph, started

LONG = pytest.mark.faults
#: How often, in `make test` and in `make test-faults`.
SHORT_AND_LONG = [pytest.param(False, id="short"), pytest.param(True, id="long", marks=LONG)]


@pytest.fixture(autouse=True)
def still_well(bench: FaultBench):
    """Whatever was done, the next good image is processed, and nothing is wrong any more."""
    yield
    bench.infos.publish(graph.info_message())
    bench.recovers()
    bench.quiet()
    assert bench.audit.faults == []


def camera_process(bench: FaultBench, hertz: float) -> subprocess.Popen[str]:
    """A camera that sends images of 61x37 until it is killed."""
    script = Path(sys.modules[graph.__name__].__file__ or "").with_name("image_publisher.py")
    arguments = (f"{bench.namespace}/image", graph.WIDTH, graph.HEIGHT, 10**9, hertz)
    process = started([script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("\n")
    process.stdin.flush()
    return process


@pytest.mark.parametrize("times", [1, pytest.param(5, marks=LONG)])
def test_a_camera_that_is_killed_and_comes_back(bench: FaultBench, times: int):
    for _ in range(times):
        before = bench.quiet().processed
        camera = camera_process(bench, 50)
        bench.until(lambda b=before: bench.account.processed > b + 5, "its images")  # type: ignore[misc]
        camera.kill()
        camera.wait()
        bench.quiet()


def test_from_one_image_a_second_to_two_hundred(bench: FaultBench):
    start, sent = bench.quiet(), 0
    for hertz, images in ((1, 2), (200, 200), (30, 10)):
        with bench.camera(hertz) as stamps:
            bench.until(lambda s=stamps, n=images: len(s) >= n, f"{images} at {hertz} Hz")  # type: ignore[misc]
        sent += len(stamps)
    account = bench.quiet().since(start)
    assert account.missing(sent) == 0, account
    assert account.processed > 0
    assert account.failed == 0


@LONG  # test/node/test_frame_flow.py has it in one process
def test_stamps_go_back_and_years_forward(bench: FaultBench):
    start, year = bench.quiet(), 365 * 86400
    stamps = [5 * year, 1, 0, 60 * year, 2**31 - 1, 2, 10 * year]
    images = [graph.rgb_message(float(number)) for number in stamps]
    negative = graph.rgb_message()
    negative.header.stamp.sec = -5
    for image in [*images, negative]:
        before = bench.account.received
        bench.images.publish(image)
        bench.until(lambda b=before: bench.account.received > b, "its fate")  # type: ignore[misc]
    account = bench.quiet().since(start)
    assert (account.received, account.processed) == (len(stamps) + 1, len(stamps))
    assert account.causes["failed: bad image"] == 1
    out = {message.header.stamp.sec for message in bench.received["depth/image"]}
    assert set(stamps) <= out


@pytest.mark.parametrize("long", SHORT_AND_LONG)
def test_size_and_encoding_change_in_mid_stream(bench: FaultBench, long: bool):
    chance = random.Random(1)
    for _ in range(200 if long else 12):
        size = chance.choice([(37, 61), (64, 96), (1, 1), (2, 300), (40, 40), (37, 61)])
        encoding = chance.choice(
            ["rgb8", "bgr8", "mono8", "rgba8", "mono16", "bayer_rggb8", "plaid"]
        )
        channels = {"rgb8": 3, "bgr8": 3, "rgba8": 4}.get(encoding, 1)
        pixels = graph.noise(size[0], size[1] * channels)[..., 0].reshape(*size, channels)
        if encoding == "mono16":
            pixels = pixels.astype("u2")
        image = graph.image_message(pixels if channels > 1 else pixels[..., 0], encoding)
        if chance.random() < 0.3:
            image.data = image.data[: len(image.data) // 2]
        bench.infos.publish(graph.info_message())
        before = bench.account.received
        bench.send(image)
        bench.until(lambda b=before: bench.account.received > b, f"the fate of {encoding} {size}")  # type: ignore[misc]
        assert "internal error" not in str(bench.account)
        assert "the network failed" not in str(bench.account)


def test_calibrations_change_vanish_and_are_zero(bench: FaultBench):
    good = graph.info_message()
    zero = CameraInfo(header=good.header, width=good.width, height=good.height)
    huge = graph.info_message()
    huge.p = [1e300] * 12
    undefined = graph.info_message()
    undefined.p = [float("nan")] * 12
    other = graph.info_message()
    other.width, other.height = 1, 2**32 - 1
    for info in (zero, good, huge, undefined, other, good):
        bench.infos.publish(info)
        bench.passes()
        if info is good:
            continue
        bench.infos.publish(info)
        bench.until(lambda: bench.passes() and bench.status().level != OK, "a word on it")
    assert "internal error" not in bench.figures()


@pytest.mark.parametrize("long", SHORT_AND_LONG)
def test_a_subscriber_that_stops_taking_holds_nobody_up(bench: FaultBench, long: bool):
    script = Path(__file__).with_name("listener.py")
    topic = f"{bench.namespace}/depth/image"
    listener = started([script, topic], stdout=subprocess.PIPE)
    try:
        assert listener.stdout is not None
        with bench.camera(20):
            assert listener.stdout.readline() == "heard\n"
            listener.send_signal(signal.SIGSTOP)
            stopped = bench.account.processed
            out = len(bench.received["depth/image"])
            images = 100 if long else 10
            bench.until(
                lambda: bench.account.processed >= stopped + images,
                "images that are processed in spite of it",
            )
            bench.until(
                lambda: len(bench.received["depth/image"]) >= out + images // 2,
                "what others hear of them",
            )
            listener.send_signal(signal.SIGCONT)
            time.sleep(0.1)
    finally:
        listener.kill()
        listener.wait()


@pytest.mark.parametrize("times", [20, pytest.param(1000, marks=LONG)])
def test_subscribers_come_and_go_and_leave_nothing(bench: FaultBench, times: int):
    chance = random.Random(0)
    quiet = SubscriptionEventCallbacks(use_default_callbacks=False)
    qos = [
        QoSProfile(depth=1, reliability=reliability, durability=durability)
        for reliability in (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT)
        for durability in (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL)
    ]
    types = graph.TYPES

    def come_and_go(count: int) -> None:
        for number in range(count):
            topic = chance.choice(list(types))
            subscription = bench.tester.create_subscription(
                types[topic], topic, lambda _: None, qos[number % 4], event_callbacks=quiet
            )
            time.sleep(0.01 * chance.random())
            bench.tester.destroy_subscription(subscription)

    def held_after(count: int) -> ProcessFigures:
        with bench.camera(20):
            come_and_go(count)
        bench.quiet()  # an image under way may have a file open
        return bench.resources()

    before = held_after(times // 5)  # the first of each topic makes what is kept
    after = held_after(times)
    assert (after.threads, after.descriptors) == (before.threads, before.descriptors)
    assert after.resident < 1.05 * before.resident


def wrong_values(descriptor: ParameterDescriptor, *, all_of_them: bool) -> list[Any]:
    """That this parameter cannot have: of other types, and beyond its limits."""
    kinds = {
        ParameterType.PARAMETER_BOOL: True,
        ParameterType.PARAMETER_INTEGER: 3,
        ParameterType.PARAMETER_DOUBLE: 0.5,
        ParameterType.PARAMETER_STRING: "no such thing",
        ParameterType.PARAMETER_STRING_ARRAY: ["", "/"],
        ParameterType.PARAMETER_INTEGER_ARRAY: [1, 2, 3],
        ParameterType.PARAMETER_BYTE_ARRAY: [b"a"],
    }
    wrong = [value for kind, value in kinds.items() if kind != descriptor.type]
    if not all_of_them:
        wrong = wrong[:1]
    for limits in descriptor.integer_range:
        wrong += [limits.from_value - 1, limits.to_value + 1, 2**63 - 1, -(2**63)]
    for limits in descriptor.floating_point_range:
        wrong += [limits.from_value - 1, limits.to_value * 2 + 1, float("inf"), float("nan")]
    if descriptor.additional_constraints.startswith("one of"):
        wrong.append("no such thing")
    if descriptor.name == "region":
        wrong += [[1, 2, 3], [0, 0, -1, 5], [0, 0, 5, 0], [0] * 1000]
    return wrong


def described(bench: FaultBench) -> list[ParameterDescriptor]:
    """Of every parameter of the node but those of rclpy's own services."""
    names = bench.call(ListParameters, "list_parameters", ListParameters.Request()).result.names
    request = DescribeParameters.Request(names=names)
    return list(bench.call(DescribeParameters, "describe_parameters", request).descriptors)


@pytest.mark.parametrize("long", SHORT_AND_LONG)
def test_no_illegal_parameter_is_taken(bench: FaultBench, long: bool):
    descriptors = described(bench)
    assert len(descriptors) > 40  # with the QoS of all topics
    tried = 0
    with bench.camera(20):
        for descriptor in descriptors:
            if not long and descriptor.name.startswith("qos_overrides"):
                continue
            for value in wrong_values(descriptor, all_of_them=long):
                result = bench.set(descriptor.name, value)
                assert not result.successful, (descriptor.name, value)
                assert result.reason, (descriptor.name, value)
                tried += 1
    assert tried > 40
    # One of all at once, and it spoils the others.
    assert not bench.set("use_sim_time", "yes").successful


TRANSITIONS = ("configure", "activate", "deactivate", "cleanup")
#: State after each that is possible.
AFTER = {
    ("unconfigured", "configure"): "inactive",
    ("inactive", "activate"): "active",
    ("inactive", "cleanup"): "unconfigured",
    ("active", "deactivate"): "inactive",
}


@pytest.mark.parametrize("cycles", [8, pytest.param(500, marks=LONG)])
def test_the_life_cycle_in_any_order(bench: FaultBench, cycles: int):
    """At random, possible or not, while images come; what is not possible changes nothing."""
    chance, state = random.Random(2), "active"
    before = None
    with bench.camera(20):
        for number in range(cycles):
            transition = chance.choice(TRANSITIONS)
            after = AFTER.get((state, transition))
            assert bench.change(transition) == (after is not None), (state, transition)
            state = after or state
            assert bench.state() == state
            if number == cycles // 2 and cycles > 100:
                before = bench.resources()
        for transition in ("configure", "activate"):
            if state == {"configure": "unconfigured", "activate": "inactive"}[transition]:
                assert bench.change(transition)
                state = AFTER[state, transition]
    assert bench.state() == "active"
    bench.connect()
    if before is not None:
        after_all = bench.resources()
        assert after_all.descriptors <= before.descriptors + 2
        assert after_all.resident < 1.1 * before.resident


@LONG
def test_time_stands_still_goes_back_and_leaps(bench: FaultBench):
    """Simulated time is the clock that a test may turn; real time is not, for others live by it."""
    from rosgraph_msgs.msg import Clock

    clock = bench.tester.create_publisher(Clock, "/clock", graph.DEEP)
    assert bench.set("use_sim_time", True).successful
    bench.until(clock.get_subscription_count, "the node's ear for the time")
    for seconds in (1000, 400, 10**9, 10**9, 3, 2**31 - 1, 1000):
        clock.publish(Clock(clock=graph.stamp(seconds)))
        bench.passes()
    account = bench.quiet()
    assert account.failed == bench.account.failed
    assert bench.set("use_sim_time", False).successful
    bench.tester.destroy_publisher(clock)


def test_a_parameter_of_any_name_may_be_set_together_with_others(bench: FaultBench):
    """All or none of what is set atomically."""
    from rcl_interfaces.srv import SetParametersAtomically

    parameters = [Parameter("max_range", value=50.0), Parameter("color_range", value=-1.0)]
    request = SetParametersAtomically.Request(
        parameters=[parameter.to_parameter_msg() for parameter in parameters]
    )
    result = bench.call(SetParametersAtomically, "set_parameters_atomically", request).result
    assert not result.successful
    depth = graph.pixels_of(bench.passes())
    assert not (depth == float("inf")).any(), "max_range was taken all the same"
