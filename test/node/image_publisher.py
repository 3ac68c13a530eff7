"""A camera in a process of its own: `image_publisher.py TOPIC WIDTH HEIGHT FRAMES HERTZ`.

Says `ready` when a subscriber is there, sends once it reads a line, best effort, and says `sent`.
"""

from __future__ import annotations

import sys
import time
from array import array

import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image


def main() -> None:
    topic, width, height, frames = sys.argv[1], *map(int, sys.argv[2:5])
    period = 1 / float(sys.argv[5])
    rclpy.init()
    node = rclpy.create_node("camera")
    publisher = node.create_publisher(Image, topic, qos_profile_sensor_data)
    message = Image(width=width, height=height, encoding="rgb8", step=3 * width)
    message.data = array("B", bytes(range(256)) * (3 * width * height // 256 + 1))
    message.data = message.data[: 3 * width * height]
    while not publisher.get_subscription_count():
        time.sleep(0.01)
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.monotonic()
    for frame in range(frames):
        time.sleep(max(0.0, start + frame * period - time.monotonic()))
        message.header.stamp.sec = frame + 1
        publisher.publish(message)
    print("sent", flush=True)
    sys.stdin.readline()  # what is in shared memory goes with the process
    rclpy.shutdown()


if __name__ == "__main__":
    main()
