"""Moments as entities of a Rerun recording."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.viewer import blueprint
from hma_depth_ros.viewer.moment import Contents, Moment
from hma_depth_ros.visualization.attention_color import colorize_attention, scale_colors
from hma_depth_ros.visualization.depth_color import colorize_depth

#: Metres of the image plane before the camera, and of a point.
_PLANE, _POINT, _RETURN = 1.2, 0.035, 0.03
_JPEG_QUALITY = 90
_TRACK_COLOR, _LIDAR_COLOR = (255, 170, 0), (255, 255, 255)
_FIGURE_COLORS = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66))


class RerunLog:
    """One recording."""

    def __init__(self, rr: Any, recording: Any, contents: Contents) -> None:
        """Log what does not change.

        Args:
            rr: the package.
            recording: its RecordingStream, connected to a file or a viewer.
            contents: what the moments have.

        """
        self._rr, self._recording, self._contents = rr, recording, contents
        self._way: list[npt.NDArray[np.float64]] = []
        self._figures: list[str] = []
        # Without a place the world is the camera's: right, down, forward.
        axes = rr.ViewCoordinates.RIGHT_HAND_Z_UP if contents.moving else rr.ViewCoordinates.RDF
        self._static(blueprint.WORLD, axes)
        self._static(blueprint.CAMERA, rr.ViewCoordinates.RDF)
        if contents.scales:
            names, colors = contents.scale_names, scale_colors(contents.scales)
            self._static(blueprint.SHARES, rr.SeriesLines(names=names, colors=colors))

    def log(self, moment: Moment) -> None:
        """Log one moment."""
        rr, contents = self._rr, self._contents
        self._recording.set_time(blueprint.TIMELINE, timestamp=np.datetime64(moment.stamp, "ns"))
        image = rr.Image(moment.image).compress(jpeg_quality=_JPEG_QUALITY)
        self._log(blueprint.IMAGE, image)
        if moment.depth is not None:
            colors = colorize_depth(moment.depth, max_depth=contents.max_depth)
            self._log(blueprint.DEPTH, rr.Image(colors).compress(jpeg_quality=_JPEG_QUALITY))
        if moment.masks is not None:
            colors = colorize_attention(moment.masks)
            self._log(blueprint.ATTENTION, rr.Image(colors).compress(jpeg_quality=_JPEG_QUALITY))
            for index, mask in enumerate(moment.masks):
                self._log(blueprint.mask_path(index), self._grey(mask))
            shares = [float(np.nanmean(mask)) for mask in moment.masks]
            self._log(blueprint.SHARES, rr.Scalars(shares))
        if moment.confidence is not None:
            self._log(blueprint.CONFIDENCE, self._grey(moment.confidence))
        self._log_world(moment, image)
        for name, value in moment.figures.items():
            self._log_figure(name, value)

    def _log_world(self, moment: Moment, image: Any) -> None:
        rr = self._rr
        if moment.place is not None:
            place = moment.place
            self._log(
                blueprint.CAMERA, rr.Transform3D(translation=place[:3, 3], mat3x3=place[:3, :3])
            )
            self._way.append(place[:3, 3])
            self._log(
                blueprint.TRACK, rr.LineStrips3D([self._way], colors=_TRACK_COLOR, radii=0.06)
            )
        if moment.camera is not None:
            camera = moment.camera
            self._log(
                blueprint.IMAGE_PLANE,
                rr.Pinhole(
                    image_from_camera=camera.matrix,
                    resolution=(camera.width, camera.height),
                    camera_xyz=rr.ViewCoordinates.RDF,
                    image_plane_distance=_PLANE,
                ),
            )
            self._log(blueprint.IMAGE_PLANE, image)
        if moment.cloud is not None:
            points, colors = moment.colored_points()
            self._log(blueprint.CLOUD, rr.Points3D(points, colors=colors, radii=_POINT))
        if moment.lidar is not None:
            self._log(
                blueprint.LIDAR,
                rr.Points3D(moment.lidar.astype(np.float32), colors=_LIDAR_COLOR, radii=_RETURN),
            )

    def _log_figure(self, name: str, value: float) -> None:
        path = f"{blueprint.FIGURES}/{name.replace(' ', '_')}"
        if name not in self._figures:
            color = _FIGURE_COLORS[len(self._figures) % len(_FIGURE_COLORS)]
            self._static(path, self._rr.SeriesLines(names=name, colors=color))
            self._figures.append(name)
        self._log(path, self._rr.Scalars(value))

    def _grey(self, weights: npt.NDArray[np.float32]) -> Any:
        grey = np.rint(np.nan_to_num(weights) * 255).astype(np.uint8)
        return self._rr.Image(grey).compress(jpeg_quality=_JPEG_QUALITY)

    def _log(self, path: str, what: Any) -> None:
        self._recording.log(path, what)

    def _static(self, path: str, what: Any) -> None:
        self._recording.log(path, what, static=True)


def write_moments(rr: Any, recording: Any, contents: Contents, moments: Iterable[Moment]) -> int:
    """Log all moments, and return how many they were."""
    log, count = RerunLog(rr, recording, contents), 0
    for moment in moments:
        log.log(moment)
        count += 1
    return count
