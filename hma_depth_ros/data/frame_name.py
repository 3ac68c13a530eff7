"""Which KITTI frame a file belongs to, read off its path."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath

_DRIVE = r"(?P<drive>\d{4}_\d\d_\d\d_drive_\d{4}_sync)"
_FRAME = r"(?P<frame>\d{10})"
_CAMERA = r"image_0(?P<camera>\d)"
_KINDS = "(?:image|groundtruth_depth|velodyne_raw)"

#: KITTI's folders (raw and annotated depth), its selection files, and BTS's predictions.
_LAYOUTS = tuple(
    re.compile(pattern + "$")
    for pattern in (
        rf"{_DRIVE}/(?:.*/)?{_CAMERA}/(?:data/)?{_FRAME}",
        rf"{_DRIVE}_{_KINDS}_{_FRAME}_{_CAMERA}",
        rf"{_DRIVE}_{_FRAME}(?:_{_CAMERA})?",
    )
)
#: The number alone, as in the names of files cut out of a drive by others.
_DRIVE_ANYWHERE = re.compile(r"(?<!\d)(\d{4}_\d\d_\d\d_drive_\d{4})(?!\d)")


#: In a file's name, such as nuscenes_scene0061_CAM_FRONT.
_SCENE = re.compile(r"(?<![a-z])scene[-_]?(\d+)", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class KittiFrame:
    """One image of a drive."""

    drive: str  #: such as 2011_09_26_drive_0002_sync
    frame: str  #: ten digits
    camera: int  #: N of the folder image_0N: 2 is the left colour camera, 3 the right one

    @property
    def name(self) -> str:
        """DRIVE_FRAME as BTS names predictions; cameras other than 2 are told by a suffix."""
        suffix = "" if self.camera == 2 else f"_image_0{self.camera}"
        return f"{self.drive}_{self.frame}{suffix}"


def kitti_frame(path: Path) -> KittiFrame | None:
    """Frame of an image, depth image or prediction, None if the path does not tell."""
    text = path.with_suffix("").as_posix()
    for layout in _LAYOUTS:
        if found := layout.search(text):
            return KittiFrame(found["drive"], found["frame"], int(found["camera"] or 2))
    return None


def kitti_drive_name(path: Path) -> str | None:
    """Drive (DATE_drive_NNNN_sync) that a path speaks of, even where the frame is not told."""
    found = _DRIVE_ANYWHERE.findall(path.as_posix())
    return f"{found[-1]}_sync" if found else None


def scene_name(path: Path) -> str:
    """Name of what a frame was recorded in.

    KITTI's drive; of other sets the scene that the file's name tells, as nuScenes' scene-0061; else
    the folder of the image.
    """
    if drive := kitti_drive_name(path):
        return drive
    found = _SCENE.search(path.stem)
    return f"scene-{found[1]}" if found else path.parent.as_posix()


def short_scene_names(names: Iterable[str]) -> dict[str, str]:
    """Names of `scene_name` as a reader wants them, by name.

    Those that are folders lose what all of them begin with.
    """
    folders = {name: PurePosixPath(name).parts for name in names}
    paths = [parts for parts in folders.values() if len(parts) > 1]
    common = takewhile(
        lambda level: len(set(level)) == 1, zip(*(p[:-1] for p in paths), strict=False)
    )
    begin = len(list(common))
    return {
        name: str(PurePosixPath(*parts[begin:])) if len(parts) > 1 else name
        for name, parts in folders.items()
    }


def frame_name(path: Path) -> str:
    """Name by which image, ground truth and prediction of a frame find each other.

    KITTI's own where the path tells it, else the file's name without its suffix.
    """
    frame = kitti_frame(path)
    return path.stem if frame is None else frame.name
