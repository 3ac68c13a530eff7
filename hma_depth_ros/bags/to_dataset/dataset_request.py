"""What a user asks of a data set made from bags."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

ImageSuffix = Literal[".png", ".jpg"]


@dataclass(frozen=True)
class DatasetRequest:
    """What is named; the rest is looked for in the bags."""

    image_topic: str | None = None
    info_topic: str | None = None
    lidar_topic: str | None = None
    odometry_topic: str | None = None
    lidar_to_camera: tuple[float, ...] | None = None  #: x y z qx qy qz qw, instead of tf
    calibration: Path | None = None  #: folder of a day's calibration files of KITTI
    camera: int = 2  #: in these files
    #: Nanoseconds between an image and its scan.
    limit: int = 50_000_000
    #: Nanoseconds added to the LiDAR's stamps; None: none, and clocks are compared.
    time_offset: int | None = None
    follow_motion: bool = True  #: move scans to the time of their images
    occlusion_filter: bool = True
    find_ego: bool = True  #: leave out returns of the own vehicle
    ego_mask: Path | None = None  #: picture in which it is not black
    accumulate: int = 0  #: scans before and after each one that are added to it
    spacing: float = 2.0  #: metres between frames
    image_suffix: ImageSuffix = ".png"  #: JPEG is smaller, and not lossless

    def settings(self) -> dict[str, Any]:
        """All of it as JSON holds it: what frames depend on."""
        values = asdict(self)
        for name in ("calibration", "ego_mask"):
            path = getattr(self, name)
            values[name] = None if path is None else str(path.absolute())
        values["lidar_to_camera"] = self.lidar_to_camera and list(self.lidar_to_camera)
        return values
