"""Endpoints that come and go while others do: what must not end the node's process.

rclpy's events executor ends it within a few of these cycles, by an exception or a segmentation
fault, when a publisher is destroyed whose event is waiting (rclpy#1644).
"""

from __future__ import annotations

import itertools
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.context import Context
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from .graph import DEADLINE, DEEP, Spinner, rgb_message, start_stand_in, until

CYCLES = 100
QOS = [
    QoSProfile(depth=1, reliability=reliability, durability=durability)
    for reliability in (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT)
    # A transient local subscriber does not match the node's publisher, which is an event of both.
    for durability in (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL)
]

NONE = SubscriptionEventCallbacks(use_default_callbacks=False)


@contextmanager
def coming_and_going(context: Context, namespace: str) -> Iterator[list[int]]:
    """Subscribers of every QoS on depth/image, three at a time, and a camera; counts what comes."""
    node = Node("listener", context=context, namespace=namespace, use_global_arguments=False)
    images = node.create_publisher(Image, "image", DEEP)
    received = [0]
    end = threading.Event()

    def note(_: Image) -> None:
        received[0] += 1

    def churn() -> None:
        # All in one thread: rclpy's executors do not take it kindly otherwise.
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        chance = random.Random(0)
        subscriptions = []
        for number in itertools.count():
            qos = QOS[number % len(QOS)]
            subscriptions.append(
                node.create_subscription(Image, "depth/image", note, qos, event_callbacks=NONE)
            )
            images.publish(rgb_message(number))
            executor.spin_once(timeout_sec=0.02 * chance.random())
            if end.is_set():
                break
            if len(subscriptions) > 3:
                node.destroy_subscription(subscriptions.pop(chance.randrange(4)))
        executor.shutdown()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        yield received
    finally:
        end.set()
        thread.join()
        node.destroy_node()


def test_a_hundred_lives_while_subscribers_come_and_go(
    context: Context, checkpoint: Path, tmp_path: Path
):
    namespace = "/churned"
    caller = Node("caller", context=context, namespace=namespace, use_global_arguments=False)
    change = caller.create_client(ChangeState, "depth_node/change_state")
    ask = caller.create_client(GetState, "depth_node/get_state")
    spinner = Spinner(caller)
    log = tmp_path / "log"  # a pipe would be full soon, and nobody reads it
    with log.open("w") as output:
        process = start_stand_in("once", checkpoint, "-r", f"__ns:={namespace}", stderr=output)

    def alive_until(condition, what):
        until(lambda: condition() or process.poll() is not None, what, 3 * DEADLINE)
        assert process.poll() is None, f"ended with {process.poll()}: {log.read_text()[-4000:]}"

    def answer(client, request):
        future = client.call_async(request)
        alive_until(future.done, "the answer")
        return future.result()

    def active():
        return answer(ask, GetState.Request()).current_state.label == "active"

    try:
        for client in (ask, change):  # each is found by itself: a request sent before that is lost
            alive_until(client.service_is_ready, client.srv_name)
        alive_until(active, "the active state")
        with coming_and_going(context, namespace) as received:
            for _ in range(CYCLES):
                for label in ("deactivate", "cleanup", "configure", "activate"):
                    request = ChangeState.Request()
                    request.transition.label = label
                    assert answer(change, request).success, label
            until(lambda: received[0], "a depth image")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 0, log.read_text()[-4000:]
    finally:
        process.kill()
        process.wait()
        spinner.stop()
        caller.destroy_node()
