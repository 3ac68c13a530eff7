"""Quality of service of the nodes' topics; every policy can be overridden by parameters.

Each call gives a profile of its own: overrides of one topic are written into it.
"""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from typing import Any, Literal

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_profile_sensor_data,
)

from hma_depth_ros.ros.parameter_types import ParameterError, declare, given_values

Entity = Literal["publisher", "subscription"]

#: What their parameters begin with.
OVERRIDES = "qos_overrides."
_CHOICES: dict[str, Any] = {
    "history": HistoryPolicy,
    "reliability": ReliabilityPolicy,
    "durability": DurabilityPolicy,
    "liveliness": LivelinessPolicy,
}
_DURATIONS = ("deadline", "lifespan", "liveliness_lease_duration")  # nanoseconds; 0: no limit
#: Policies of each kind of endpoint, as rclpy and rclcpp name their parameters.
POLICIES: dict[Entity, tuple[str, ...]] = {
    "publisher": (
        *("history", "depth", "reliability", "durability", "deadline", "lifespan"),
        *("liveliness", "liveliness_lease_duration", "avoid_ros_namespace_conventions"),
    ),
    "subscription": (
        *("history", "depth", "reliability", "durability", "deadline"),
        *("liveliness", "liveliness_lease_duration", "avoid_ros_namespace_conventions"),
    ),
}
#: Topics of every ROS node, whose overrides are rclpy's business.
ROS_TOPICS = ("/clock", "/parameter_events", "/rosout")


def input_qos(*, lockstep: bool) -> QoSProfile:
    """Sensor data (best effort) takes what any camera offers; lockstep may lose nothing."""
    if not lockstep:
        return copy(qos_profile_sensor_data)
    return QoSProfile(
        history=HistoryPolicy.KEEP_ALL,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.VOLATILE,
    )


def output_qos() -> QoSProfile:
    """Reliable with depth 1: RViz, by default, does not see best-effort publishers."""
    return QoSProfile(
        depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE
    )


def with_overrides(node: Node, topic: str, entity: Entity, profile: QoSProfile) -> QoSProfile:
    """Declare `qos_overrides.TOPIC.ENTITY.POLICY` of every policy, and follow them.

    rclpy's own options would do the same, but for values that cannot be they raise what comes, and
    while the endpoint is being created, which can fail for other reasons.

    Args:
        node: that is to have the endpoint.
        topic: full name.
        entity: kind of the endpoint.
        profile: the defaults; is changed.

    Raises:
        ParameterError: an override cannot be followed.

    """
    subject = f"qos_overrides of {topic}"
    values: dict[str, Any] = {}
    for policy in POLICIES[entity]:
        name = f"{OVERRIDES}{topic}.{entity}.{policy}"
        if node.has_parameter(name):  # from when the node was configured before
            values[policy] = node.get_parameter(name).value
        else:
            descriptor = _descriptor(policy, f"{policy} of the {entity} of {topic}.")
            default = _as_parameter(profile, policy)
            values[policy] = declare(node, name, default, descriptor, subject=subject)
    if (values["history"], values["depth"]) == ("keep_last", 0):
        raise ParameterError(f"{subject}: history keep_last needs a depth of 1 or more, not 0")
    for policy, value in values.items():
        _follow(profile, policy, value, subject)
    return profile


def _descriptor(policy: str, description: str) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=description, read_only=True)
    if policy in _CHOICES:
        descriptor.additional_constraints = f"one of: {', '.join(_names(policy))}"
    return descriptor


def _as_parameter(profile: QoSProfile, policy: str) -> Any:
    value = getattr(profile, policy)
    if policy in _CHOICES:
        return value.name.lower()
    return value.nanoseconds if policy in _DURATIONS else value


def _follow(profile: QoSProfile, policy: str, value: Any, subject: str) -> None:
    if policy in _CHOICES:
        names = _names(policy)
        if value not in names:
            raise ParameterError(
                f"{subject}: {policy} is '{value}'; it must be one of {', '.join(names)}"
            )
        value = _CHOICES[policy][value.upper()]
    elif value < 0:
        raise ParameterError(f"{subject}: {policy} is {value}, and must not be negative")
    elif policy in _DURATIONS:
        value = Duration(nanoseconds=value)
    setattr(profile, policy, value)


def _names(policy: str) -> list[str]:
    return [choice.lower() for choice in _CHOICES[policy].__members__ if choice != "UNKNOWN"]


def judge_overrides(node: Node, endpoints: Collection[tuple[str, Entity]]) -> None:
    """See to it that no override is ignored in silence.

    Of topics that the node does not have it is warned of: they may be meant for another node that
    shares the file.

    Args:
        node: that has them.
        endpoints: full topic name and kind of each endpoint that the node has.

    Raises:
        ParameterError: an override is of a topic of the node, and yet of nothing that it has.

    """
    topics = {topic for topic, _ in endpoints}
    known = {
        f"{OVERRIDES}{topic}.{entity}.{policy}"
        for topic, entity in endpoints
        for policy in POLICIES[entity]
    }
    foreign = []
    for name in sorted(given_values(node)):
        topic = name.removeprefix(OVERRIDES).split(".")[0]
        if not name.startswith(OVERRIDES) or name in known or topic in ROS_TOPICS:
            continue
        if topic in topics:
            entities = " or ".join(entity for t, entity in endpoints if t == topic)
            raise ParameterError(f"{name}: no such policy of this topic's {entities}")
        foreign.append(name)
    if foreign:
        node.get_logger().warning(
            f"{', '.join(foreign)}: not of this node's topics, which are "
            f"{', '.join(sorted(topics))}"
        )
