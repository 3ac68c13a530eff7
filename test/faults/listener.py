"""A subscriber of depth in a process of its own: `listener.py TOPIC`; says `heard` at the first."""

from __future__ import annotations

import sys

import rclpy
from sensor_msgs.msg import Image


def main() -> None:
    rclpy.init()
    node = rclpy.create_node("listener")
    seen: list[int] = []

    def hear(message: Image) -> None:
        if not seen:
            print("heard", flush=True)
        seen.append(message.header.stamp.sec)

    node.create_subscription(Image, sys.argv[1], hear, 1)
    rclpy.spin(node)


if __name__ == "__main__":
    main()
