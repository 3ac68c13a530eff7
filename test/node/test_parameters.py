"""What parameters accept, when they take effect, and what they say when they refuse."""

from __future__ import annotations

from array import array
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.parameter import Parameter
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    ReliabilityPolicy,
    qos_profile_sensor_data,
)

from hma_depth_ros.messages.point_cloud import cloud_xyz
from hma_depth_ros.ros.depth_node.node import DepthNode
from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters
from hma_depth_ros.ros.parameter_types import ParameterError, instead
from hma_depth_ros.ros.topic_qos import POLICIES

from .conftest import Predictions, StartBench
from .graph import Bench, image_message, info_message, noise, pixels_of, rgb_message, write_yaml

REPOSITORY = Path(__file__).resolve().parents[2]
NAMES = {field.name for field in fields(DepthNodeParameters)}


@pytest.fixture(scope="module")
def idle(start_shared: StartBench) -> Bench:
    """A node that was configured and activated, for tests that leave it as it is."""
    return start_shared(inputs={"publish": False})


@pytest.fixture(scope="module")
def unconfigured(start_shared: StartBench) -> Bench:
    """A node in which all parameters but the read-only ones may be set."""
    return start_shared(autostart=False, inputs={"publish": False})


def test_every_parameter_describes_itself(idle: Bench):
    listed = idle.call(ListParameters, "list_parameters", ListParameters.Request()).result.names
    assert set(listed) >= NAMES
    request = DescribeParameters.Request(names=sorted(NAMES))
    descriptors = idle.call(DescribeParameters, "describe_parameters", request).descriptors
    assert {d.name for d in descriptors} == NAMES
    for descriptor in descriptors:
        assert len(descriptor.description) > 20, descriptor.name
        assert descriptor.description.endswith("."), descriptor.name
    by_name = {d.name: d for d in descriptors}
    assert by_name["pairing"].additional_constraints == "one of: cached, exact"
    assert by_name["max_range"].floating_point_range[0].to_value == 1000.0
    assert by_name["threads"].integer_range[0].to_value == 256
    read_only = {d.name for d in descriptors if d.read_only}
    assert read_only == {"autostart", "tune_malloc", "diagnostics_period", "lockstep"}


def test_the_shipped_file_lists_them_all_with_their_defaults(context: Any, tmp_path: Path):
    path = REPOSITORY / "config" / "depth_node.yaml"
    values = yaml.safe_load(path.read_text())["/**"]["ros__parameters"]
    defaults = {field.name: field.default for field in fields(DepthNodeParameters)}
    assert {**values, "region": tuple(values["region"])} == defaults


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("max_range", -1.0, "max_range out of range Min: 0.0, Max: 1000.0, value: -1.0"),
        ("max_range", float("nan"), "max_range out of range"),
        ("max_range", float("inf"), "max_range out of range"),
        ("max_range", 80, "Wrong parameter type"),
        ("max_range", 80, "; write 80.0"),
        ("color_range", 80, "; write 80.0"),  # though it is 80.0 already
        ("threads", 2.0, "; write 2"),
        ("device", 0, "; write \"'0'\""),
        ("compile", 1, "; write true or false"),
        ("input_width", -1, "input_width out of range. Min: 0, Max: 8192"),
        ("threads", 257, "threads out of range"),
        ("color_range", 0.5, "color_range out of range"),
        ("resolution", "big", "resolution is 'big'; it must be one of image, network"),
        ("pairing", "", "pairing is ''; it must be one of cached, exact"),
        ("engine", "magic", "it must be one of auto, torch"),
        ("precision", "fp8", "it must be one of auto, fp32, bf16, fp16"),
        ("image_transport", "theora", "it must be one of raw, compressed"),
        ("depth_encoding", "64FC1", "it must be one of 32FC1, 16UC1"),
        ("cloud_layout", "PADDED", "it must be one of padded, packed"),
        ("region", [0, 0, 5], "it must be [left, top, width, height] in pixels"),
        ("region", [0, 0, 5, 0], "with width and height both 0 for the whole image"),
        ("region", [-1, 0, 5, 5], "none negative"),
        ("region", "0123", "Wrong parameter type"),
        ("region", [0.0, 0.0, 5.0, 5.0], "Wrong parameter type"),
        ("region", [0.0, 0.0, 5.0, 5.0], "; write [0, 0, 5, 5]"),
        ("autostart", True, "read-only parameter: autostart"),
        ("lockstep", True, "read-only parameter: lockstep"),
    ],
)
def test_what_cannot_be_used_is_refused(unconfigured: Bench, name: str, value: Any, reason: str):
    before = unconfigured.node.get_parameter(name).value
    result = unconfigured.set(**{name: value})
    assert not result.successful
    assert reason in result.reason
    after = unconfigured.node.get_parameter(name).value
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("checkpoint", "/other"),
        ("device", "cuda"),
        ("engine", "openvino"),
        ("precision", "bf16"),
        ("self_check", False),
        ("threads", 1),
        ("image_transport", "compressed"),
        ("pairing", "exact"),
    ],
)
def test_what_is_loaded_says_how_to_change_it(
    idle: Bench, unconfigured: Bench, name: str, value: Any
):
    result = idle.set(**{name: value})
    assert not result.successful
    assert result.reason.startswith(f"{name} takes effect while configuring only")
    assert f"ros2 lifecycle set {idle.namespace}/{idle.name}" in result.reason
    before = unconfigured.node.get_parameter(name).value
    assert unconfigured.set(**{name: value}).successful
    assert unconfigured.set(**{name: before}).successful


def test_what_was_dumped_can_be_loaded(start: StartBench):
    """`ros2 param dump` and `load`: each value is set to what it is, the read-only ones too."""
    bench = start(**{"qos_overrides.{ns}/points.publisher.depth": 3, "region": [1, 2, 40, 30]})
    bench.listen("depth/image")
    names = bench.call(ListParameters, "list_parameters", ListParameters.Request()).result.names
    assert {"autostart", "lockstep", f"qos_overrides.{bench.namespace}/points.publisher.depth"} < {
        *names
    }
    values = bench.call(
        GetParameters, "get_parameters", GetParameters.Request(names=list(names))
    ).values
    dumped = [ParameterMessage(name=n, value=v) for n, v in zip(names, values, strict=True)]
    answer = bench.call(SetParameters, "set_parameters", SetParameters.Request(parameters=dumped))
    assert len(answer.results) == len(names) > 40
    refused = [n for n, r in zip(names, answer.results, strict=True) if not r.successful]
    assert refused == []
    answer = bench.call(
        SetParametersAtomically,
        "set_parameters_atomically",
        SetParametersAtomically.Request(parameters=dumped),
    )
    assert answer.result.successful
    changed = next(p for p in dumped if p.name == "autostart")
    changed.value.bool_value = False
    answer = bench.call(
        SetParametersAtomically,
        "set_parameters_atomically",
        SetParametersAtomically.Request(parameters=dumped),
    )
    assert answer.result.reason == "Trying to set a read-only parameter: autostart."
    bench.infer(rgb_message(1), info_message())


@pytest.mark.parametrize(
    ("value", "wanted", "written"),
    [
        (60, Parameter.Type.DOUBLE, "60.0"),
        (-3, Parameter.Type.DOUBLE, "-3.0"),
        ([0, 1], Parameter.Type.DOUBLE_ARRAY, "[0.0, 1.0]"),
        (array("q", [5]), Parameter.Type.DOUBLE_ARRAY, "[5.0]"),
        (2.0, Parameter.Type.INTEGER, "2"),
        (2.5, Parameter.Type.INTEGER, "a whole number"),
        ([1.0, 2.5], Parameter.Type.INTEGER_ARRAY, "a list of whole numbers"),
        (7, Parameter.Type.INTEGER_ARRAY, "[7]"),
        (True, Parameter.Type.STRING, "\"'true'\""),
        ("true", Parameter.Type.BOOL, "true or false"),
    ],
)
def test_what_to_write_instead(value: Any, wanted: Parameter.Type, written: str):
    assert instead(value, wanted).startswith(f"; write {written}")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("far", Parameter.Type.DOUBLE), (True, Parameter.Type.DOUBLE), (1.0, Parameter.Type.DOUBLE)],
)
def test_what_cannot_be_meant_is_not_guessed(value: Any, wanted: Parameter.Type):
    assert instead(value, wanted) == ""


def test_parameters_of_others_may_be_set(idle: Bench):
    assert idle.set(use_sim_time=True).successful
    assert idle.set(use_sim_time=False).successful
    assert not idle.set(no_such_parameter=1).successful


def test_live_changes_apply_from_the_next_frame_on(start: StartBench):
    bench = start()
    bench.listen("depth/image", "depth/camera_info", "points")
    bench.publish(info_message())

    first = bench.infer(rgb_message(1), info_message())
    depth = pixels_of(first["depth/image"])
    assert depth.shape == (37, 61)
    assert first["points"].point_step == 32

    assert bench.set(resolution="network").successful
    second = bench.infer(rgb_message(2))
    assert pixels_of(second["depth/image"]).shape == (32, 48)
    assert (second["depth/camera_info"].height, second["points"].width) == (32, 48)

    assert bench.set(input_width=32, cloud_layout="packed").successful
    third = bench.infer(rgb_message(3))
    assert pixels_of(third["depth/image"]).shape == (19, 32)
    assert third["points"].point_step == 16

    assert bench.set(resolution="image", region=[10, 0, 51, 37]).successful
    fourth = pixels_of(bench.infer(rgb_message(4))["depth/image"])
    np.testing.assert_array_equal(np.isnan(fourth[0]), np.arange(61) < 10)

    assert bench.set(region=[0, 0, 0, 0], depth_encoding="16UC1", input_width=0).successful
    fifth = pixels_of(bench.infer(rgb_message(5))["depth/image"])
    np.testing.assert_allclose(fifth, 1000 * depth, atol=0.51)
    assert bench.said() == []


def test_another_mount_is_another_input(start: StartBench):
    """Of the bundled network, which is told where the road would be."""
    bench = start(checkpoint="", input_width=96)
    bench.listen("depth/image")
    bench.publish(info_message())
    depths = []
    for number, mount in enumerate([{}, {"camera_height": 2.5}, {"camera_pitch": 0.1}]):
        assert bench.set(camera_height=1.65, camera_pitch=0.0).successful
        assert not mount or bench.set(**mount).successful
        depths.append(pixels_of(bench.infer(rgb_message(number + 1))["depth/image"]))
    for other in depths[1:]:
        assert np.median(np.abs(other / depths[0] - 1)) > 1e-3


def test_depth_and_cloud_are_scaled_live_and_the_diagnostics_say_so(start: StartBench):
    bench = start()
    bench.listen("depth/image", "points")
    bench.publish(info_message())
    first = bench.infer(rgb_message(1))
    assert bench.figures()["depth scale"] == "1"
    assert bench.set(depth_scale=1.25).successful
    second = bench.infer(rgb_message(2))
    depth = pixels_of(first["depth/image"])
    np.testing.assert_allclose(pixels_of(second["depth/image"]), 1.25 * depth, rtol=1e-5)
    z = np.asarray(cloud_xyz(second["points"]))[:, 2].reshape(depth.shape)
    seen = np.isfinite(z)
    np.testing.assert_allclose(z[seen], 1.25 * depth[seen], rtol=1e-5)
    assert bench.figures()["depth scale"] == "1.25"
    assert not bench.set(depth_scale=0.0).successful


def test_a_region_beyond_the_image_is_one_warning(start: StartBench):
    """Only the image tells how large it is."""
    bench = start(region=[0, 0, 62, 37])
    bench.listen("depth/image")
    bench.publish(info_message())
    for number in (1, 2, 3):
        bench.publish(rgb_message(number))
    warning = bench.hears("region 62x37 at (0, 0) is not inside the 61x37 image")
    assert f"{bench.namespace}/image" in warning
    bench.infer(image_message(noise(37, 62), "rgb8", number=4))
    assert len([m for m in bench.said() if "region" in m]) == 1
    assert bench.set(region=[0, 0, 61, 37]).successful
    bench.infer(rgb_message(5))


def test_threads_are_those_of_the_worker(start: StartBench, predictions: Predictions):
    before = torch.get_num_threads()
    try:
        bench = start(threads=before + 1)
        bench.listen("depth/image")
        bench.infer(rgb_message(1), info_message())
    finally:
        torch.set_num_threads(before)
    assert predictions.threads == [before + 1]


# --- at start ---------------------------------------------------------------------------------


def test_a_parameter_file(start: StartBench, tmp_path: Path):
    """Only what the command line and the file do not give comes from the defaults."""
    path = write_yaml(
        tmp_path / "depth.yaml",
        """
        /**:
          ros__parameters:
            region: [1, 2, 40, 30]
            max_range: 33.5
            resolution: network
            qos_overrides:
              /cam/image:
                subscription: {depth: 17, reliability: reliable, history: keep_last}
        """,
    )
    bench = start(
        arguments=("--params-file", path, "-r", "image:=/cam/image", "-p", "max_range:=44.0"),
        inputs={"publish": False},
    )
    values = bench.node._values
    assert (values.region, values.resolution, values.cloud_layout) == (
        (1, 2, 40, 30),
        "network",
        "padded",
    )
    assert values.max_range == 44.0
    (info,) = bench.tester.get_subscriptions_info_by_topic("/cam/image")
    assert info.qos_profile.reliability is ReliabilityPolicy.RELIABLE
    assert _inputs_qos(bench)["/cam/image"].depth == 17


def _inputs_qos(bench: Bench) -> dict[str, Any]:
    return {s.topic_name: s.qos_profile for s in bench.camera.input.subscriptions}


def test_qos_overrides_reach_their_topic_and_no_other(start: StartBench):
    overrides = {
        "qos_overrides.{ns}/depth/image.publisher.depth": 7,
        "qos_overrides.{ns}/depth/image.publisher.reliability": "best_effort",
        "qos_overrides.{ns}/camera_info.subscription.depth": 9,
        "qos_overrides.{ns}/camera_info.subscription.reliability": "reliable",
    }
    bench = start(inputs={"publish": False}, **overrides)
    outputs = bench.camera.outputs
    assert outputs is not None
    profiles = {topic: publisher.qos_profile for topic, publisher in outputs.publishers.items()}
    depth = profiles.pop("depth/image")
    assert (depth.depth, depth.reliability) == (7, ReliabilityPolicy.BEST_EFFORT)
    for profile in profiles.values():
        assert (profile.depth, profile.reliability) == (1, ReliabilityPolicy.RELIABLE)
    inputs = _inputs_qos(bench)
    image, info = inputs[f"{bench.namespace}/image"], inputs[f"{bench.namespace}/camera_info"]
    assert (info.depth, info.reliability) == (9, ReliabilityPolicy.RELIABLE)
    assert (image.depth, image.reliability) == (5, ReliabilityPolicy.BEST_EFFORT)
    # And not the process's other nodes.
    assert qos_profile_sensor_data.reliability is ReliabilityPolicy.BEST_EFFORT


def test_every_policy_can_be_overridden(start: StartBench):
    policies = {
        "history": "keep_last",
        "depth": 3,
        "reliability": "reliable",
        "durability": "transient_local",
        "deadline": 2_000_000_000,
        "lifespan": 3_000_000_000,
        "liveliness": "manual_by_topic",
        "liveliness_lease_duration": 4_000_000_000,
    }
    overrides: dict[str, Any] = {
        **{f"qos_overrides.{{ns}}/depth/image.publisher.{p}": v for p, v in policies.items()},
        "qos_overrides.{ns}/depth/color.publisher.avoid_ros_namespace_conventions": True,
        "qos_overrides.{ns}/image.subscription.deadline": 5_000_000_000,
        "qos_overrides./diagnostics.publisher.durability": "transient_local",
    }
    assert {*policies, "avoid_ros_namespace_conventions"} == {*POLICIES["publisher"]}
    assert {*POLICIES["publisher"]} - {*POLICIES["subscription"]} == {"lifespan"}
    bench = start(inputs={"publish": False}, **overrides)
    # As the others in the graph see them.
    (info,) = bench.tester.get_publishers_info_by_topic(f"{bench.namespace}/depth/image")
    profile = info.qos_profile
    assert profile.durability is DurabilityPolicy.TRANSIENT_LOCAL
    assert profile.liveliness is LivelinessPolicy.MANUAL_BY_TOPIC
    nanoseconds = (profile.deadline, profile.lifespan, profile.liveliness_lease_duration)
    assert [d.nanoseconds for d in nanoseconds] == [2 * 10**9, 3 * 10**9, 4 * 10**9]
    (info,) = bench.tester.get_subscriptions_info_by_topic(f"{bench.namespace}/image")
    assert info.qos_profile.deadline.nanoseconds == 5 * 10**9
    color = bench.camera.outputs.publishers["depth/color"].qos_profile
    assert color.avoid_ros_namespace_conventions
    latched = [
        info.node_name
        for info in bench.tester.get_publishers_info_by_topic("/diagnostics")
        if info.qos_profile.durability is DurabilityPolicy.TRANSIENT_LOCAL
    ]
    assert latched == [bench.name]


def test_overrides_of_topics_that_the_node_has_not_are_named(start: StartBench):
    """Another node may share the file, so it is no error; but a name may be misspelt."""
    bench = start(
        inputs={"publish": False},
        arguments=("-r", "image:=/cam/image"),
        **{
            "qos_overrides.depth/image.publisher.depth": 2,  # not the full name
            "qos_overrides.{ns}/image.subscription.depth": 2,  # from before the remapping
            "qos_overrides./rosout.publisher.depth": 2,  # rclpy's
        },
    )
    warning = bench.hears("not of this node's topics, which are")
    given, _, topics = warning.partition(": not of this node's topics")
    assert given == (
        f"qos_overrides.{bench.namespace}/image.subscription.depth, "
        "qos_overrides.depth/image.publisher.depth"
    )
    assert f" {bench.namespace}/depth/image," in topics
    assert " /cam/image," in topics
    assert bench.state() == "active"


@pytest.mark.parametrize(
    ("name", "value", "state"),
    [
        ("/points.publisher.reliability", "sometimes", "unconfigured"),
        ("/points.publisher.durability", "unknown", "unconfigured"),
        ("/points.publisher.depth", -1, "unconfigured"),
        ("/points.publisher.depth", 0, "unconfigured"),
        ("/points.publisher.deadline", -1, "unconfigured"),
        ("/points.publisher.lifespan", 1.0, "unconfigured"),
        ("/points.publisher.colour", "red", "unconfigured"),
        ("/points.subscription.depth", 1, "unconfigured"),
        ("/image.subscription.lifespan", 5, "unconfigured"),
        ("/points.publisher.depth", "deep", "unconfigured"),
        ("/camera_info.subscription.history", "all", "inactive"),
        ("/image.subscription.depth", 1.5, "inactive"),
    ],
)
def test_an_impossible_qos_override_is_one_error(
    start: StartBench, name: str, value: Any, state: str
):
    bench = start(inputs={"publish": False}, **{f"qos_overrides.{{ns}}{name}": value})
    topic, _, policy = name[1:].partition(".")
    message = bench.hears("qos_overrides", level=40)
    assert topic in message
    assert policy.split(".")[1] in message
    assert "Traceback" not in message
    assert bench.said() == [message]
    assert bench.state() == state
    assert bench.status().level == b"\x02"
    assert bench.camera.input is None
    # Nothing is left half done: no publisher of those made before, and no loaded model.
    left = bench.tester.get_publishers_info_by_topic(f"{bench.namespace}/depth/image")
    assert len(left) == (0 if state == "unconfigured" else 1)
    assert bench.set(device="auto").successful == (state == "unconfigured")


def test_default_profiles(idle: Bench):
    """Sensor data in, so that any camera matches; reliable out, so that RViz sees it."""
    for profile in _inputs_qos(idle).values():
        assert profile.reliability is ReliabilityPolicy.BEST_EFFORT
        assert profile.depth == 5
    (points,) = idle.tester.get_publishers_info_by_topic(f"{idle.namespace}/points")
    assert points.qos_profile.reliability is ReliabilityPolicy.RELIABLE


def test_lockstep_subscribes_to_everything(start: StartBench):
    bench = start(lockstep=True, inputs={"publish": False})
    for profile in _inputs_qos(bench).values():
        assert profile.reliability is ReliabilityPolicy.RELIABLE
        assert profile.history is HistoryPolicy.KEEP_ALL


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"pairing": "nearest"}, "pairing is 'nearest'; it must be one of cached, exact"),
        ({"region": [1, 2, 3]}, "region is [1, 2, 3]"),
    ],
)
def test_a_bad_choice_at_start_is_one_error_and_can_be_mended(
    start: StartBench, parameters: dict[str, Any], words: str
):
    bench = start(inputs={"publish": False}, **parameters)
    assert words in bench.hears(words, level=40)
    assert bench.state() == "unconfigured"
    assert len(bench.said()) == 1
    default = {"pairing": "cached", "region": [0, 0, 0, 0]}
    assert bench.set(**{name: default[name] for name in parameters}).successful
    assert bench.change("configure")
    assert bench.change("activate")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("max_range", -1.0, "max_range"),
        ("max_range", 80, "max_range"),
        ("region", "whole", "region"),
        ("diagnostics_period", 0.0, "diagnostics_period"),
        ("max_range", 60, "expecting type 'DOUBLE'.*; write 60.0"),
        ("device", 0, "expecting type 'STRING'.*; write \"'0'\""),
        ("qos_overrides./diagnostics.publisher.depth", 9.0, "/diagnostics: .*; write 9$"),
    ],
)
def test_a_value_that_rclpy_refuses_at_start_is_named(
    context: Any, name: str, value: Any, words: str
):
    """Its declaration raises; the executable says it in one line (status 2)."""
    with pytest.raises(ParameterError, match=words):
        DepthNode(
            "refused",
            context=context,
            use_global_arguments=False,
            parameter_overrides=[Parameter(name, value=value)],
        )
