"""Static transforms of a bag: where the frames of a car are, seen from each other (tf2)."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.bags.bag_reader import BagReader
from hma_depth_ros.bags.message_types import TF_MESSAGE, header, message
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.rotation import matrix_from_quaternion, quaternion_from_matrix

Matrix = npt.NDArray[np.float64]

TF_STATIC_TOPIC = "/tf_static"


class StaticTransforms:
    """A tree of frames that do not move; the latest transform of a child counts, as in tf2."""

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, Matrix]] = {}

    @classmethod
    def of_bag(cls, bag: BagReader) -> StaticTransforms:
        """All that the bag holds on `/tf_static`, wherever in the bag it lies.

        Raises:
            HmaDepthError: the storage is damaged.

        """
        transforms = cls()
        if TF_STATIC_TOPIC in bag.topics_of(TF_MESSAGE):
            for raw in bag.messages([TF_STATIC_TOPIC]):
                transforms.add(bag.decode(raw))
        return transforms

    def add(self, tf: Any) -> None:
        """Take a TFMessage, of rosbags or of rclpy.

        Raises:
            HmaDepthError: a rotation is none.

        """
        for stamped in tf.transforms:
            parent, child = (_plain(n) for n in (stamped.header.frame_id, stamped.child_frame_id))
            try:
                matrix = transform_matrix(stamped.transform)
            except ValueError as error:
                raise HmaDepthError(f"transform from {parent} to {child}: {error}") from error
            self._parents[child] = (parent, matrix)

    @property
    def frames(self) -> list[str]:
        """Names of all frames, sorted."""
        parents = {parent for parent, _ in self._parents.values()}
        return sorted(parents | set(self._parents))

    def lookup(self, target: str, source: str) -> Matrix:
        """4x4 transform that takes points of frame `source` to frame `target`.

        Raises:
            HmaDepthError: the frames are not connected, naming those that are there.

        """
        target, source = _plain(target), _plain(source)
        if target == source:
            return np.eye(4)
        neighbours: dict[str, list[tuple[str, Matrix]]] = {}
        for child, (parent, matrix) in self._parents.items():
            neighbours.setdefault(child, []).append((parent, matrix))
            inverse = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
            neighbours.setdefault(parent, []).append((child, inverse))
        reached: dict[str, Matrix] = {source: np.eye(4)}
        waiting = deque([source])
        while waiting:
            frame = waiting.popleft()
            for neighbour, step in neighbours.get(frame, []):
                if neighbour not in reached:
                    reached[neighbour] = step @ reached[frame]
                    waiting.append(neighbour)
        if target not in reached:
            raise HmaDepthError(
                f"no static transform from {source} to {target}; "
                f"frames on {TF_STATIC_TOPIC}: {', '.join(self.frames) or 'none'}"
            )
        return reached[target]


def transform_matrix(transform: Any) -> Matrix:
    """4x4 matrix of a geometry_msgs/Transform: points of the child to points of the parent.

    Raises:
        ValueError: the rotation is none.

    """
    q, t = transform.rotation, transform.translation
    matrix = np.eye(4)
    matrix[:3, :3] = matrix_from_quaternion(q.x, q.y, q.z, q.w)
    matrix[:3, 3] = t.x, t.y, t.z
    return matrix


def transform_message(parent: str, child: str, matrix: Matrix, stamp: int) -> Any:
    """geometry_msgs/TransformStamped, for a bag, of a 4x4 matrix (points of child to parent)."""
    x, y, z = matrix[:3, 3].tolist()
    qx, qy, qz, qw = quaternion_from_matrix(matrix[:3, :3])
    return message(
        "geometry_msgs/msg/TransformStamped",
        header=header(stamp, parent),
        child_frame_id=child,
        transform=message(
            "geometry_msgs/msg/Transform",
            translation=message("geometry_msgs/msg/Vector3", x=x, y=y, z=z),
            rotation=message("geometry_msgs/msg/Quaternion", x=qx, y=qy, z=qz, w=qw),
        ),
    )


def _plain(frame: str) -> str:
    """Without the leading slash that ROS 1 converters leave."""
    return frame.removeprefix("/")
