"""Publish the messages of a rosbag2 at the pace at which they were recorded."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

_EPILOG = """\
Stamps in the messages stay as they are. Topics whose message package is not installed are left
out with a warning. ROS arguments (--ros-args ...) may follow.
"""


def _positive(text: str) -> float:
    value = float(text)
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _renaming(text: str) -> tuple[str, str]:
    old, separator, new = text.partition(":=")
    if not (old and separator and new):
        raise argparse.ArgumentTypeError(f"{text} is not OLD:=NEW")
    return old, new


def _wanted(text: str) -> tuple[str, int]:
    topic, _, number = text.partition(":")
    if not (number or "1").isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not TOPIC or TOPIC:NUMBER")
    return topic, int(number or 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="replay_bag", description=__doc__, epilog=_EPILOG)
    parser.add_argument("bag", type=Path, help="bag folder, or one .mcap or .db3 file")
    parser.add_argument(
        "--rate", type=_positive, default=1.0, help="times as fast as recorded (default: 1)"
    )
    parser.add_argument("--loop", action="store_true", help="start again at the end, for ever")
    parser.add_argument("--topics", nargs="+", metavar="TOPIC", help="only these topics")
    parser.add_argument(
        "--remap",
        nargs="+",
        type=_renaming,
        default=[],
        metavar="OLD:=NEW",
        help="publish a topic of the bag under another name",
    )
    parser.add_argument(
        "--clock",
        nargs="?",
        type=_positive,
        const=100.0,
        metavar="HZ",
        help="publish the bag's time on /clock, HZ times a second (default: 100) and with every "
        "message",
    )
    parser.add_argument(
        "--wait-for-subscribers",
        nargs="*",
        type=_wanted,
        metavar="TOPIC[:NUMBER]",
        help="start when these topics, named as published, have NUMBER (default: 1) subscribers "
        "each; without topics, when any has one",
    )
    parser.add_argument(
        "--wait-timeout",
        type=_positive,
        default=60.0,
        metavar="SECONDS",
        help="give up waiting for subscribers (default: 60)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; ends cleanly on SIGINT and SIGTERM."""
    import rclpy

    from hma_depth_ros.bags.bag_reader import BagReader
    from hma_depth_ros.ros.replayer import LATE, BagReplayer
    from hma_depth_ros.ros.session import ros_session, split_ros_args

    own, ros_args = split_ros_args(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(own)
    with BagReader(arguments.bag) as bag, ros_session(ros_args) as stop:
        node = rclpy.create_node(
            "bag_replayer", start_parameter_services=False, enable_rosout=False
        )
        replayer = BagReplayer(
            node,
            bag,
            topics=arguments.topics,
            remap=dict(arguments.remap),
            clock_rate=arguments.clock,
        )
        if arguments.wait_for_subscribers is not None:
            replayer.wait_for_subscribers(
                dict(arguments.wait_for_subscribers), timeout=arguments.wait_timeout, stop=stop
            )
        while replayer.play(rate=arguments.rate, stop=stop) and arguments.loop:
            pass
        flushed = replayer.flush()
        node.destroy_node()

    report = replayer.report
    for topic, count in report.sent.items():
        print(f"{count:7d}  {topic}")
    print(
        f"{sum(report.sent.values())} messages, {report.late} late by more than "
        f"{LATE * 1000:.0f} ms, the worst by {report.worst_delay * 1000:.1f} ms"
    )
    if not flushed:
        print("a subscriber has not acknowledged everything")
    return 0
