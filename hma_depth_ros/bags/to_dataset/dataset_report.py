"""A data set's lists and its report, made of the frames that are there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.bags.to_dataset.dataset_folder import (
    LISTS,
    DatasetFolder,
    MadeFrame,
    camera_of,
    write_image,
)
from hma_depth_ros.bags.to_dataset.extraction import BagExtraction
from hma_depth_ros.bags.to_dataset.frame_choice import spread
from hma_depth_ros.data.camera_mount import mount_of
from hma_depth_ros.data.depth.depth_png import read_depth_png
from hma_depth_ros.data.depth.label_density import density_by_distance, ring_spacing
from hma_depth_ros.data.depth.lidar_edges import check_rotation_by_edges, edge_frame
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.splits.road_stretches import (
    Division,
    RoadFrames,
    divide_by_stretches,
)
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.visualization.color_scale import depth_scale
from hma_depth_ros.visualization.depth_color import colorize_depth
from hma_depth_ros.visualization.palette import LIGHT
from hma_depth_ros.visualization.sheet import Sheet, SheetBox
from hma_depth_ros.visualization.tiles import HEADER, NARROWEST, draw_scale, draw_title

#: Frames that the extrinsics are checked on, and that the mount is measured on.
_CHECKED = 24
#: Share of pixels with a label below which a remark says what that means; and share of the image's
#: height that rings are apart (in KITTI's images 64 beams 0.013, 32 beams 0.024, 16 beams 0.056).
_SPARSE, _RINGS_APART = 0.01, 0.04
_FAR = 80.0  #: metres at the far end of the overlays' colours
_MARGIN = 20  # of an overlay's page, in pixels


@dataclass(frozen=True)
class SplitSettings:
    """How frames are divided into lists."""

    shares: tuple[float, float, float] = (0.7, 0.15, 0.15)  #: of `LISTS`
    stretch: float = 200.0  #: metres
    gap: float = 30.0  #: metres between frames of different lists


def write_lists(
    folder: DatasetFolder, bags: Sequence[BagExtraction], settings: SplitSettings
) -> tuple[Division, list[list[MadeFrame]]]:
    """Divide the frames of all bags, and write the lists.

    Raises:
        HmaDepthError: there is no frame, or too little road for all lists that have a share.

    """
    frames = [frame for bag in bags for frame in bag.frames]
    if not frames:
        raise HmaDepthError(
            "no image of these bags has enough labels: see whether the LiDAR looks where the "
            f"camera does ({folder.path})"
        )
    drives, maps, places = [], [], []
    first = 0
    for number, bag in enumerate(bags):
        for frame in bag.frames:
            drives.append(first + frame.drive)
            # Without places a drive is a straight line of its own.
            known = frame.place is not None
            maps.append(number if known else len(bags) + first + frame.drive)
            places.append(frame.place or (frame.way, 0.0, 0.0))
        first += bag.drives
    road = RoadFrames(
        np.array([frame.way for frame in frames]),
        np.array(drives, np.int64),
        np.array(places, np.float64),
        np.array(maps, np.int64),
    )
    division = divide_by_stretches(road, settings.shares, length=settings.stretch, gap=settings.gap)
    lists = [
        [frame for frame, which in zip(frames, division.list, strict=True) if which == number]
        for number in range(len(LISTS))
    ]
    for name, share, own in zip(LISTS, settings.shares, lists, strict=True):
        if share and not own:
            raise HmaDepthError(
                f"{len(frames)} frames are too little road for all lists: {name}.txt would have "
                "none; add bags, or lower --spacing, --gap or --stretch, or give it no share by "
                "--shares"
            )
    folder.write_lists(lists)
    return division, lists


def write_report(
    folder: DatasetFolder,
    bags: Sequence[BagExtraction],
    division: Division,
    lists: Sequence[Sequence[MadeFrame]],
    *,
    settings: dict[str, Any],
    overlays: int,
) -> tuple[dict[str, Any], list[str]]:
    """Measure what there is, draw overlays, and write the report.

    Returns:
        The report, and its remarks: a line each for people.

    Raises:
        HmaDepthError: a file cannot be read or written.

    """
    frames = [frame for bag in bags for frame in bag.frames]
    some = [frames[i] for i in spread(len(frames), _CHECKED)]
    edges, roads, rings = [], [], []
    for frame in some:
        camera = camera_of(frame)
        depth = read_depth_png(folder.path / frame.depth)
        roads.append((depth, camera))
        if (spacing := ring_spacing(depth)) is not None:
            rings.append(spacing / camera.height)
        found = edge_frame(read_rgb(folder.path / frame.image), depth, camera)
        if found is not None:
            edges.append(found)
    check, mount = check_rotation_by_edges(edges), mount_of(roads)
    pixels = float(np.mean([frame.size[0] * frame.size[1] for frame in frames]))
    counts = [np.array(frame.labels, np.int64) for frame in frames]
    density = density_by_distance(counts, round(pixels))
    share = sum(row["share_of_pixels"] for row in density)
    remarks = [str(check) if check else "extrinsics: too few edges to check them by"]
    if mount is not None:
        remarks.append(
            f"mount: {mount.height:.2f} m above the road, looking "
            f"{math.degrees(mount.pitch):+.1f} degrees below the horizon, by the road in the labels"
        )
    far = next((row for row in density if row["from"] == 40.0), None)
    apart = float(np.median(rings)) if rings else None
    if far is not None and (share < _SPARSE or (apart or 0.0) > _RINGS_APART):
        between = "" if apart is None else f", rings {apart:.1%} of the image's height apart"
        remarks.append(
            f"labels are sparse, as of a LiDAR of few beams: {share:.2%} of the pixels, "
            f"{far['share_of_pixels']:.3%} between 40 and 80 m{between}; --accumulate 3 makes them "
            "denser where the car's motion is known"
        )
    first = frames[0]
    report = {
        "settings": settings,
        "lists": {name: len(own) for name, own in zip(LISTS, lists, strict=True)},
        "frames": len(frames),
        "left_out_between_lists": len(frames) - sum(map(len, lists)),
        "stretches": {
            "count": int(division.stretch.max()) + 1,
            "metres": division.length,
            "gap": division.gap,
        },
        "camera": dict(zip(("fx", "fy", "cx", "cy"), first.camera, strict=True))
        | {"width": first.size[1], "height": first.size[0]},
        "mount": None if mount is None else asdict(mount),
        "label_density": density,
        "share_of_pixels": share,
        "ring_spacing": apart,
        "extrinsics": None if check is None else asdict(check) | {"is_off": check.is_off},
        "bags": [bag.description() for bag in bags],
        "remarks": remarks,
    }
    folder.write_report(report)
    for frame in (frames[i] for i in spread(len(frames), overlays)):
        _write_overlay(folder, frame)
    return report, remarks


def _write_overlay(folder: DatasetFolder, frame: MadeFrame) -> None:
    image = read_rgb(folder.path / frame.image)
    name = frame.image.rpartition("/")[2].rpartition(".")[0]
    drawn = overlay_page(image, read_depth_png(folder.path / frame.depth), name)
    write_image(folder.path / "overlays" / f"{name}.jpg", drawn)


def overlay_page(
    image: npt.NDArray[np.uint8], depth: npt.NDArray[np.float32], name: str
) -> npt.NDArray[np.uint8]:
    """An overlay (H, W, 3) in its own pixels under its title, its name and the colours' scale."""
    rows, columns = depth.shape
    width = max(columns, NARROWEST)
    box = SheetBox(_MARGIN, _MARGIN + HEADER + _MARGIN, columns, rows)
    sheet = Sheet(width + 2 * _MARGIN, box.bottom + _MARGIN)
    sheet.text(box.left, _MARGIN, name, size=13, color=LIGHT.faint_ink)
    draw_title(sheet, box, "Labels in metres")
    draw_scale(sheet, box, depth_scale(_FAR))
    sheet.paste(overlay(image, depth), box)
    return sheet.render()


def overlay(image: npt.NDArray[np.uint8], depth: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Image (H, W, 3) in grey with a coloured dot for each label: near is warm."""
    size = max(1, round(image.shape[1] / 400))
    grown = depth
    if size > 1:  # of labels that overlap the nearer one
        near = np.where(depth > 0, depth, np.float32(np.inf))
        square = np.ones((size, size), np.uint8)
        near = cv2.erode(near, square, borderType=cv2.BORDER_REPLICATE)
        grown = np.where(np.isfinite(near), near, np.float32(0))
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    colors = colorize_depth(grown, max_depth=_FAR)
    return np.where((grown > 0)[..., None], colors, grey).astype(np.uint8)
