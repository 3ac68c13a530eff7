"""Record topics into a rosbag2 (mcap) that is complete whenever the recording ends.

After kill -9 or on a full disk the folder has what was recorded up to a second before, and all
tools here read it; so does `ros2 bag` after `ros2 bag reindex`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hma_depth_ros.argument_checks import option_name

_EPILOG = """\
Prints "recording ..." when every topic has a publisher. SIGINT and SIGTERM end the recording.
ROS arguments (--ros-args ...) may follow.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="record_bag", description=__doc__, epilog=_EPILOG)
    parser.add_argument(
        "topics",
        nargs="+",
        metavar="TOPIC[:TYPE]",
        help="topic, or topic and type (sensor_msgs/msg/Image); with a type, recording need not "
        "wait for a publisher to appear",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the new bag")
    parser.add_argument("--compress", action="store_true", help="with zstd: smaller and slower")
    parser.add_argument(
        "--duration",
        type=float,
        metavar="SECONDS",
        help="stop that long after every topic has a publisher",
    )
    parser.add_argument(
        "--max-messages",
        type=int,
        metavar="N",
        help="record N messages of each topic at most, and stop when all have them",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    from hma_depth_ros.ros.distribution import check_ros

    check_ros()
    import rclpy

    from hma_depth_ros.bags.writer import BagWriter
    from hma_depth_ros.ros.bag_tools.recorder import BagRecorder, TopicRequest
    from hma_depth_ros.ros.ros_session import ros_session, split_ros_args
    from hma_depth_ros.ros.transport import tune_malloc
    from hma_depth_ros.ros.undeclared import instead_of_parameters, report_ignored

    tune_malloc()
    own, ros_args = split_ros_args(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    arguments = parser.parse_args(own)
    for option in ("duration", "max_messages"):
        value = getattr(arguments, option)
        if value is not None and not value > 0:
            parser.error(f"{option_name(option)} must be positive, not {value}")
    requests = [TopicRequest.parse(text) for text in arguments.topics]

    def announce() -> None:
        # Whoever starts the publishers may be waiting for this line.
        print(f"recording {len(requests)} topics to {arguments.output}", flush=True)

    # As long as it takes: what has been recorded is to be kept, however many signals come.
    with (
        ros_session(ros_args, patience=None) as stop,
        BagWriter(arguments.output, recording=True, compressed=arguments.compress) as bag,
    ):
        node = rclpy.create_node(
            "bag_recorder", start_parameter_services=False, enable_rosout=False
        )
        report_ignored(node, ros_args, advice=instead_of_parameters(arguments))
        recorder = BagRecorder(node, bag, requests, max_messages=arguments.max_messages)
        recorder.run(stop=stop, duration=arguments.duration, on_connected=announce)
        node.destroy_node()

    for topic, count in bag.counts.items():
        if count:
            lost = recorder.lost[topic]
            print(f"{count:7d}  {topic}" + (f"  ({lost} lost)" if lost else ""))
    for topic, reason in recorder.left_out.items():
        print(f"{0:7d}  {topic}  (left out: {reason})")
    for topic, reason in recorder.silent.items():
        print(f"{0:7d}  {topic}  ({reason})")
    return 0
