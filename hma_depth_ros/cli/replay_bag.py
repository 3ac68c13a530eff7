"""Publish the messages of a rosbag2 at the pace at which they were recorded."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hma_depth_ros.argument_checks import not_negative, positive
from hma_depth_ros.bags.processing.silence import LONGEST
from hma_depth_ros.errors import HmaDepthError

if TYPE_CHECKING:
    import threading

    from hma_depth_ros.ros.bag_tools.replayer import BagReplayer

_EPILOG = """\
Stamps in the messages stay as they are. Topics whose message package is not installed are left
out with a warning. Services /bag_replayer/set_paused (std_srvs/SetBool) and toggle_paused (Trigger)
and the topic /bag_replayer/pause (std_msgs/Bool) pause the replay and let it go on;
/bag_replayer/paused tells. ROS arguments (--ros-args ...) may follow.
"""


def _silence(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0, or inf")
    return value


def _lockstep(text: str) -> tuple[str, str]:
    image, _, output = text.rpartition(":=")
    if not output:
        raise argparse.ArgumentTypeError(f"{text} is not OUTPUT or IMAGE:=OUTPUT")
    return image, output


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
        "--rate", type=positive, default=1.0, help="times as fast as recorded (default: 1)"
    )
    parser.add_argument("--loop", action="store_true", help="start again at the end, for ever")
    parser.add_argument(
        "--start",
        type=not_negative,
        default=0.0,
        metavar="SECONDS",
        help="begin that far into the bag (default: 0)",
    )
    parser.add_argument(
        "--duration", type=positive, metavar="SECONDS", help="end after so much of the bag"
    )
    parser.add_argument(
        "--longest-silence",
        type=_silence,
        default=LONGEST,
        metavar="SECONDS",
        help="where the bag has no message for longer, go on after a second (default: 60; inf: "
        "never)",
    )
    parser.add_argument("--paused", action="store_true", help="wait for the signal to go on")
    parser.add_argument(
        "--lockstep",
        nargs="+",
        type=_lockstep,
        default=[],
        metavar="[IMAGE:=]OUTPUT",
        help="publish each image only when the Image of its predecessor's stamp has come back on "
        "OUTPUT, such as /depth/image of a node with lockstep:=true; names as published",
    )
    parser.add_argument(
        "--lockstep-timeout",
        type=positive,
        default=60.0,
        metavar="SECONDS",
        help="that an image may take (default: 60)",
    )
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
        type=positive,
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
        type=positive,
        default=60.0,
        metavar="SECONDS",
        help="give up waiting for subscribers (default: 60)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; ends cleanly on SIGINT and SIGTERM."""
    from hma_depth_ros.ros.distribution import check_ros

    check_ros()
    from hma_depth_ros.ros.ros_session import ros_session, split_ros_args

    own, ros_args = split_ros_args(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(own)

    # Only now: what works here takes its time to import, and a wrong argument need not wait for it.
    import rclpy

    from hma_depth_ros.bags.reader import BagReader
    from hma_depth_ros.ros.background import served
    from hma_depth_ros.ros.bag_tools.back_pressure import BackPressure
    from hma_depth_ros.ros.bag_tools.pause import PauseControl
    from hma_depth_ros.ros.bag_tools.replayer import LATE, BagReplayer
    from hma_depth_ros.ros.transport import tune_malloc
    from hma_depth_ros.ros.undeclared import instead_of_parameters, report_ignored

    tune_malloc()
    with BagReader(arguments.bag) as bag, ros_session(ros_args) as stop:
        node = rclpy.create_node(
            "bag_replayer", start_parameter_services=False, enable_rosout=False
        )
        report_ignored(node, ros_args, advice=instead_of_parameters(arguments))
        replayer = BagReplayer(
            node,
            bag,
            topics=arguments.topics,
            remap=dict(arguments.remap),
            clock_rate=arguments.clock,
            start=arguments.start,
            duration=arguments.duration,
            longest_silence=arguments.longest_silence,
        )
        replayer.pause = PauseControl(node, paused=arguments.paused)
        if arguments.lockstep:
            outputs = _images_of(arguments.lockstep, replayer.cameras)
            replayer.back_pressure = BackPressure(node, outputs, timeout=arguments.lockstep_timeout)
        with served(node):
            _play(replayer, arguments, stop)
            flushed = replayer.flush(stop)
        node.destroy_node()

    report = replayer.report
    for topic, count in report.sent.items():
        print(f"{count:7d}  {topic}")
    print(
        f"{sum(report.sent.values())} messages, {report.late} late by more than "
        f"{LATE * 1000:.0f} ms, the worst by {report.worst_delay * 1000:.1f} ms"
    )
    if not flushed and not stop.is_set():
        print("a subscriber has not acknowledged everything")
    return 0


def _play(replayer: BagReplayer, arguments: argparse.Namespace, stop: threading.Event) -> None:
    """Wait for whom there is to wait for, and play."""
    if arguments.wait_for_subscribers is not None:
        replayer.wait_for_subscribers(
            dict(arguments.wait_for_subscribers), timeout=arguments.wait_timeout, stop=stop
        )
    if replayer.back_pressure is not None:
        replayer.back_pressure.connect(timeout=arguments.wait_timeout, stop=stop)
    while replayer.play(rate=arguments.rate, stop=stop) and arguments.loop:
        pass


def _images_of(wanted: Sequence[tuple[str, str]], cameras: Sequence[str]) -> dict[str, str]:
    """Output by image topic; an output alone is that of the one camera."""
    outputs = {}
    for image, output in wanted:
        if not image and len(cameras) != 1:
            raise HmaDepthError(
                f"--lockstep {output}: say of which images, as in IMAGE:={output}; there are "
                f"{', '.join(cameras) or 'none'}"
            )
        if image and image not in cameras:
            raise HmaDepthError(
                f"--lockstep: no images on {image}; there are {', '.join(cameras) or 'none'}"
            )
        outputs[image or cameras[0]] = output
    return outputs
