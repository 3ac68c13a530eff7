"""A car on a straight road in a bag of its own: what its camera and LiDAR see is known exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from hma_depth_ros.bags.new_messages import camera_info_message, image_message
from hma_depth_ros.bags.transforms import transform_message
from hma_depth_ros.bags.typestore import header, message
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.data.depth.lidar_depth import project_scan
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.messages.types import CAMERA_INFO, IMAGE, ODOMETRY, POINT_CLOUD, TF_MESSAGE

Floats = npt.NDArray[np.float64]

CAMERA = PinholeCamera(fx=100.0, fy=100.0, cx=79.5, cy=40.0, width=160, height=96)
#: The LiDAR's axes (forward, left, up) in the camera's; it sits 30 cm above and 20 cm behind.
TO_CAMERA = np.array([[0, -1, 0, 0], [0, 0, -1, -0.3], [1, 0, 0, -0.2], [0, 0, 0, 1]], np.float64)
HEIGHT = 2.0  #: metres of the LiDAR above the road
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
STEP = 100_000_000  #: nanoseconds between images, and between scans


@dataclass
class Car:
    """What is recorded."""

    frames: int = 40
    speed: float = 10.0  #: m/s
    standing: int = 0  #: frames at the beginning in which it does not move
    image_delay: int = 30_000_000  #: nanoseconds of an image after the beginning of its scan
    turn: int = STEP  #: nanoseconds that a scan lasts; 0: all points at once
    time_field: tuple[str, str] | None = ("t", "<u4")  #: that points have their times in
    odometry: bool = True
    tf_static: bool = True
    lidar: bool = True
    reversed_tf: bool = False
    remounted: bool = False  #: /tf_static says first that the camera is 30 cm further left
    packets: bool = False  #: the LiDAR's own data have a topic
    upside_down: bool = False  #: by the transform: the LiDAR is turned about its x axis
    scale: float = 1.0  #: of the points: 1000 are millimetres
    frame_ids: tuple[str, str] = ("lidar", "eye")  #: of the messages of LiDAR and camera
    clock: int = 0  #: nanoseconds added to the LiDAR's stamps, not to when they are recorded
    without_scans: range = range(0)  #: frames of which the LiDAR says nothing
    covered: range = range(0)  #: frames of which it sees nothing
    pause: tuple[int, int] = (10**9, 0)  #: frame from which on all is so many nanoseconds later
    hood: bool = False  #: the LiDAR sees the own car
    beams: int = 40
    objects: list[tuple[float, float, float]] = field(default_factory=list)  #: x, y, x speed

    def x(self, stamp: int) -> float:
        """Metres along the road at a time."""
        seconds = (stamp - START) / SECOND - self.standing * STEP / SECOND
        return self.speed * max(seconds, 0.0)

    def stamp(self, frame: int) -> int:
        """Of the beginning of a scan."""
        late = self.pause[1] if frame >= self.pause[0] else 0
        return START + frame * STEP + late

    def world(self, near: float) -> Floats:
        """Points (N, 3) of the road and of posts beside it, around a place; z up, 0 the road."""
        x = near + np.arange(-10, 50, 0.5)  # where the LiDAR's rings are
        road = np.stack(np.meshgrid(x, np.linspace(-6, 6, self.beams)), -1).reshape(-1, 2)
        if self.beams < 10:
            return np.column_stack([road, np.zeros(len(road))])
        posts = np.arange(np.floor(near / 5) * 5 - 10, near + 50, 5)
        z = np.linspace(0.3, 3, self.beams // 4)
        sides = [
            np.column_stack([np.full(z.size, at), np.full(z.size, side), z])
            for at in posts
            for side in (-4.0, 4.0)
        ]
        return np.concatenate([np.column_stack([road, np.zeros(len(road))]), *sides])

    def scan(self, frame: int) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Points (N, 3) in the LiDAR's frame, each from its own time, and these times."""
        begin = self.stamp(frame)
        world = self.world(self.x(begin))
        random = np.random.default_rng(frame)
        after = random.integers(0, max(self.turn, 1), len(world))
        at = np.array([self.x(begin + int(t)) for t in after])
        points = world - np.column_stack([at, np.zeros(len(at)), np.full(len(at), HEIGHT)])
        for x, y, speed in self.objects:
            face = np.stack(np.meshgrid([0.0], np.linspace(-1, 1, 20), np.linspace(0.3, 1.5, 12)))
            place = [x + speed * (begin - START) / SECOND - self.x(begin), y, -HEIGHT]
            solid = face.reshape(3, -1).T + np.array(place)
            points = np.concatenate([points, solid])
            after = np.concatenate([after, np.zeros(len(solid), np.int64)])
        if self.hood:
            hood = np.stack(np.meshgrid(np.linspace(1.0, 2.0, 9), np.linspace(-0.8, 0.8, 9)), -1)
            own = np.column_stack([hood.reshape(-1, 2), np.full(81, -1.0)])
            points = np.concatenate([points, own + random.normal(0, 0.003, own.shape)])
            after = np.concatenate([after, np.zeros(81, np.int64)])
        return points, after

    def seen(self, frame: int) -> npt.NDArray[np.float32]:
        """Depth (H, W) of the road and the posts at the time of an image, 0 where none is."""
        stamp = self.stamp(frame) + self.image_delay
        world = self.world(self.x(self.stamp(frame)))
        return project_scan(world - [self.x(stamp), 0, HEIGHT], TO_CAMERA, CAMERA)

    def write(self, path: Path) -> Path:
        """Record it."""
        with BagWriter(path) as bag:
            bag.add_topic("/camera/image_rect", IMAGE)
            bag.add_topic("/camera/camera_info", CAMERA_INFO)
            if self.lidar:
                bag.add_topic("/lidar", POINT_CLOUD)
            if self.packets:
                kind, store = "velodyne_msgs/msg/VelodyneScan", get_typestore(Stores.ROS2_KILTED)
                store.register(get_types_from_msg("std_msgs/Header header\nuint8[] data", kind))
                bag.add_topic("/velodyne_packets", kind, typestore=store)
            if self.odometry:
                bag.add_topic("/odom", ODOMETRY)
            if self.tf_static:
                bag.add_topic("/tf_static", TF_MESSAGE)
                turned = np.diag([1.0, -1, -1, 1]) if self.upside_down else np.eye(4)
                matrix = np.linalg.inv(TO_CAMERA) if self.reversed_tf else TO_CAMERA @ turned
                if self.remounted:
                    left = np.linalg.inv(matrix)
                    left[1, 3] += 0.3
                    before = [transform_message("lidar", "eye", left, START - SECOND)]
                    bag.write("/tf_static", START, message(TF_MESSAGE, transforms=before))
                edges = [
                    transform_message("base_link", "lidar", np.eye(4), START),
                    transform_message("lidar", "eye", np.linalg.inv(matrix), START),
                ]
                bag.write("/tf_static", START, message(TF_MESSAGE, transforms=edges))
            for frame in range(self.frames):
                stamp = self.stamp(frame)
                self._write_frame(bag, frame, stamp)
        return path

    def _write_frame(self, bag: BagWriter, frame: int, stamp: int) -> None:
        if self.odometry:
            for when in (stamp, stamp + STEP // 2):
                bag.write("/odom", when, odometry(when, self.x(when)))
        if self.lidar and frame not in self.without_scans:
            points, after = self.scan(frame)
            if frame in self.covered:
                points, after = points[:0], after[:0]
            cloud = timed_cloud(
                points * self.scale,
                after,
                self.time_field,
                stamp=stamp + self.clock,
                frame=self.frame_ids[0],
            )
            bag.write("/lidar", stamp, cloud)
        taken = stamp + self.image_delay
        info = camera_info_message(CAMERA, stamp=taken, frame=self.frame_ids[1])
        bag.write("/camera/camera_info", taken, info)
        picture = self.picture(frame)
        image = image_message(picture, "rgb8", stamp=taken, frame=self.frame_ids[1])
        bag.write("/camera/image_rect", taken, image)

    def picture(self, frame: int) -> npt.NDArray[np.uint8]:
        """Stripes that move with the road."""
        x = self.x(self.stamp(frame) + self.image_delay)
        row, column = np.mgrid[0 : CAMERA.height, 0 : CAMERA.width]
        grey = 128 + 100 * np.sin(x * 0.9 + row * 0.2) * np.cos(column * 0.05)
        return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def odometry(stamp: int, x: float) -> Any:
    """Odometry of base_link, x metres along the road."""
    point = message("geometry_msgs/msg/Point", x=x, y=0.0, z=0.0)
    still = message("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0)
    level = message("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
    pose = message("geometry_msgs/msg/Pose", position=point, orientation=level)
    twist = message("geometry_msgs/msg/Twist", linear=still, angular=still)
    unknown = np.zeros(36)
    return message(
        ODOMETRY,
        header=header(stamp, "odom"),
        child_frame_id="base_link",
        pose=message("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=unknown),
        twist=message("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=unknown),
    )


#: sensor_msgs/PointField's numbers of the types that times come in.
_DATATYPES = {"<u4": 6, "<f4": 7, "<f8": 8}
#: What a second is in a driver's field, and whether it counts from 1970.
UNITS = {
    ("t", "<u4"): (1e9, False),
    ("time", "<f4"): (1.0, False),
    ("timestamp", "<f8"): (1.0, True),
    ("offset_time", "<u4"): (1e6, False),
}


def timed_cloud(
    points: Floats,
    after: npt.NDArray[np.int64],
    time_field: tuple[str, str] | None,
    *,
    stamp: int,
    frame: str = "lidar",
) -> Any:
    """PointCloud2 whose points have their own times, nanoseconds after the stamp."""
    kinds = [("x", "<f4"), ("y", "<f4"), ("z", "<f4")]
    if time_field is not None:
        kinds.append(time_field)
    array = np.zeros(len(points), kinds)
    for axis, name in enumerate("xyz"):
        array[name] = points[:, axis]
    if time_field is not None:
        unit, absolute = UNITS[time_field]
        seconds = after * 1e-9
        values = seconds + stamp * 1e-9 if absolute else seconds * unit
        array[time_field[0]] = values
    fields = [
        message(
            "sensor_msgs/msg/PointField",
            name=name,
            offset=int(array.dtype.fields[name][1]),  # type: ignore[index]
            datatype=_DATATYPES[kind],
            count=1,
        )
        for name, kind in kinds
    ]
    return message(
        POINT_CLOUD,
        header=header(stamp, frame),
        height=1,
        width=len(points),
        fields=fields,
        is_bigendian=False,
        point_step=array.dtype.itemsize,
        row_step=array.nbytes,
        data=np.frombuffer(array.tobytes(), np.uint8),
        is_dense=True,
    )
