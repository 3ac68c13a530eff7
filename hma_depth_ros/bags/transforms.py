"""Transforms of a bag: where the frames of a car are, seen from each other and in time (tf2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation, Slerp

from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.typestore import header, message
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.rotation import matrix_from_quaternion, quaternion_from_matrix
from hma_depth_ros.messages.stamps import header_stamp
from hma_depth_ros.messages.types import TF_MESSAGE

Matrix = npt.NDArray[np.float64]

TF_STATIC_TOPIC, TF_TOPIC = "/tf_static", "/tf"

#: Nanoseconds between two transforms over which a car's way is not known well enough; what counts
#: is how far it goes in some hundredths of a second.
_LONGEST_STEP = 5_000_000_000
#: Metres, and of a rotation's matrix, that two transforms of one place may differ.
_SAME = 1e-4


@dataclass
class _Track:
    """A frame in its parent, at several times."""

    parent: str
    _samples: dict[int, Matrix] = field(default_factory=dict)  # by nanoseconds

    def add(self, stamp: int, matrix: Matrix) -> None:
        self._samples[stamp] = matrix
        for name in ("_ordered", "moves"):
            self.__dict__.pop(name, None)

    @cached_property
    def _ordered(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        stamps = sorted(self._samples)
        return np.array(stamps, np.int64), np.stack([self._samples[stamp] for stamp in stamps])

    @cached_property
    def moves(self) -> bool:
        """Whether it is ever somewhere else."""
        _, matrices = self._ordered
        return not np.allclose(matrices, matrices[0], rtol=0, atol=1e-9)

    def at(self, stamp: int) -> Matrix | None:
        """4x4 at a time, between two samples; None where they do not reach or are too far apart."""
        stamps, matrices = self._ordered
        if not self.moves:
            return np.asarray(matrices[0])
        after = int(np.searchsorted(stamps, stamp))
        if after < len(stamps) and stamps[after] == stamp:
            return np.asarray(matrices[after])
        if not 0 < after < len(stamps) or stamps[after] - stamps[after - 1] > _LONGEST_STEP:
            return None
        before, step = int(stamps[after - 1]), int(stamps[after] - stamps[after - 1])
        share = (stamp - before) / step
        ends = matrices[after - 1 : after + 1]
        result = np.eye(4)
        result[:3, :3] = Slerp([0.0, 1.0], Rotation.from_matrix(ends[:, :3, :3]))(share).as_matrix()
        result[:3, 3] = (1 - share) * ends[0, :3, 3] + share * ends[1, :3, 3]
        return result


class Transforms:
    """A tree of frames, some of which move; the latest static transform of a child counts."""

    def __init__(self) -> None:
        self._static: dict[str, tuple[str, Matrix]] = {}
        self._tracks: dict[str, _Track] = {}
        self._odd: dict[str, str] = {}  # what is wrong with a frame's transform
        #: Frames that static transforms give two places: where they were first, in their parent.
        self.moved_static: dict[str, Matrix] = {}

    @classmethod
    def of_bag(cls, bag: BagReader) -> Transforms:
        """All that the bag holds on `/tf_static` and `/tf`, wherever in the bag it lies.

        Raises:
            HmaDepthError: the storage is damaged.

        """
        transforms = cls()
        present = bag.topics_of(TF_MESSAGE)
        for topic in (TF_STATIC_TOPIC, TF_TOPIC):
            if topic in present:
                for raw in bag.messages([topic]):
                    transforms.add(bag.decode(raw), static=topic == TF_STATIC_TOPIC)
        return transforms

    def add(self, tf: Any, *, static: bool = True) -> None:
        """Take a TFMessage, of rosbags or of rclpy. A transform that is none is left out."""
        for stamped in tf.transforms:
            parent, child = (_plain(n) for n in (stamped.header.frame_id, stamped.child_frame_id))
            try:
                matrix = transform_matrix(stamped.transform)
            except ValueError as error:
                self._odd[child] = f"transform from {parent} to {child}: {error}"
                continue
            if static:
                before = self._static.get(child)
                if before is not None and not np.allclose(before[1], matrix, rtol=0, atol=_SAME):
                    self.moved_static.setdefault(child, before[1])
                self._static[child] = (parent, matrix)
            else:
                track = self._tracks.setdefault(child, _Track(parent))
                if track.parent == parent:  # a frame that changes its parent is no car's
                    track.add(header_stamp(stamped), matrix)

    @property
    def frames(self) -> list[str]:
        """Names of all frames, sorted."""
        return sorted({name for child in self._children for name in (child, self._parent(child))})

    @property
    def _children(self) -> set[str]:
        return {*self._static, *self._tracks}

    def _parent(self, child: str) -> str:
        return self._static[child][0] if child in self._static else self._tracks[child].parent

    def _edge(self, child: str, stamp: int | None) -> Matrix | None:
        """Points of a child to those of its parent, at a time; of tracks that move only then."""
        if child in self._static:
            return self._static[child][1]
        track = self._tracks[child]
        if stamp is None and track.moves:
            return None
        return track.at(stamp or 0)

    def lookup(self, target: str, source: str, stamp: int | None = None) -> Matrix:
        """4x4 transform that takes points of frame `source` to frame `target`.

        Args:
            target: frame.
            source: frame.
            stamp: nanoseconds at which; None if nothing between the two frames moves.

        Raises:
            HmaDepthError: the frames are not connected at that time, naming those that are there.

        """
        target, source = _plain(target), _plain(source)
        neighbours: dict[str, list[tuple[str, str, bool]]] = {}
        for child in self._children:
            parent = self._parent(child)
            neighbours.setdefault(child, []).append((parent, child, True))
            neighbours.setdefault(parent, []).append((child, child, False))
        reached: dict[str, Matrix] = {source: np.eye(4)}
        waiting = deque([source])
        while waiting and target not in reached:
            frame = waiting.popleft()
            for neighbour, child, upwards in neighbours.get(frame, []):
                if neighbour in reached or (step := self._edge(child, stamp)) is None:
                    continue
                reached[neighbour] = (step if upwards else np.linalg.inv(step)) @ reached[frame]
                waiting.append(neighbour)
        if target not in reached:
            odd = "".join(f"; {problem}" for problem in self._odd.values())
            raise HmaDepthError(
                f"no transform from {source} to {target}; frames on {TF_STATIC_TOPIC} and "
                f"{TF_TOPIC}: {', '.join(self.frames) or 'none'}{odd}"
            )
        return reached[target]

    def motion(self, frame: str, start: int, end: int) -> Matrix | None:
        """How `frame` moved: points measured in it at `start` to where they are in it at `end`.

        Seen from the frame of the odometry, where there is one of that name (REP 105: it does not
        jump), else from the farthest that is known at both times.

        Args:
            frame: of the points.
            start: nanoseconds.
            end: nanoseconds.

        Returns:
            4x4, or None where no transform says how it moved.

        """
        here, there = self.place(frame, start), self.place(frame, end)
        return None if here is None or there is None else np.linalg.inv(there) @ here

    def place(self, frame: str, stamp: int) -> Matrix | None:
        """4x4: points of `frame` to the frame that stands still while the car moves, at a time.

        That of the odometry, or the farthest; see `motion`. None where no transform says how the
        frame moves, or not at that time.
        """
        place = np.eye(4)
        moves = False
        for child, parent in self._upwards(_plain(frame)):
            step = self._edge(child, stamp)
            if step is None:
                return None
            place = step @ place
            moves = moves or (child not in self._static and self._tracks[child].moves)
            if parent.rpartition("/")[2].startswith("odom"):
                break
        return place if moves else None

    def moves(self, frame: str) -> bool:
        """Whether any transform says that `frame` is ever somewhere else."""
        return any(
            child not in self._static and self._tracks[child].moves
            for child, _ in self._upwards(_plain(frame))
        )

    def root(self, frame: str) -> str:
        """The frame that all static transforms above `frame` lead to."""
        top = _plain(frame)
        for child, parent in self._upwards(top):
            if child not in self._static:
                break
            top = parent
        return top

    def add_pose(self, parent: str, child: str, stamp: int, pose: Matrix) -> None:
        """Say where a frame is in a parent that stands still, instead of what `/tf` says of it."""
        parent, child = _plain(parent), _plain(child)
        if child not in self._tracks or self._tracks[child].parent != parent:
            self._tracks[child] = _Track(parent)
        self._tracks[child].add(stamp, pose)

    def _upwards(self, frame: str) -> Iterator[tuple[str, str]]:
        seen = {frame}
        while frame in self._children and (parent := self._parent(frame)) not in seen:
            yield frame, parent
            seen.add(parent)
            frame = parent


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
