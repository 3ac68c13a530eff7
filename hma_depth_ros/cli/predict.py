"""Depth, attention and cloud of image files, as PNG, PLY and NumPy files.

For each image the output folder gets STEM_depth.png (KITTI's 16-bit depth, metres x 256, 0 = none),
STEM_color.png, STEM_panel.png, with a known camera STEM.ply, and with --npz STEM.npz. Ends with
status 0; with 1 if an image could not be used, after all others have been done; with 2 if nothing
could be done at all.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.kitti.camera_argument import add_camera_argument, camera_number
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path, shown
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.network_arguments import (
    add_checkpoint_argument,
    add_mount_arguments,
    mount_of,
)

#: Of the files that are written of an image.
_ENDINGS = ("_depth.png", "_color.png", "_panel.png", ".ply", ".npz")

if TYPE_CHECKING:
    from hma_depth_ros.inference.prediction import Prediction
    from hma_depth_ros.visualization.tiles import FrameView


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="predict", description=__doc__.partition("\n")[0])
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="rectified images")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder for the results"
    )
    camera = parser.add_mutually_exclusive_group()
    camera.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="KITTI's calib_cam_to_cam.txt of the images' day",
    )
    camera.add_argument(
        "--fx",
        type=float,
        help="focal length in pixels of a camera with square pixels and a centred principal point; "
        "without it or --calibration depth is scaled as for the training camera and there is no "
        "cloud",
    )
    add_camera_argument(parser)
    add_checkpoint_argument(parser)
    add_mount_arguments(parser)
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)"
    )
    parser.add_argument(
        "--npz",
        action="store_true",
        help="also write STEM.npz with depth (H,W) float32 in metres and, if the network has it, "
        "attention (S,H,W) float32, coarse to fine, and uncertainty (H,W) float32, the standard "
        "deviation of ln(depth)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the status is described at the top of this module."""
    arguments = _parser().parse_args(argv)
    mount = mount_of(arguments)
    images: list[Path] = arguments.images
    _check_stems(images)
    _check_kept(images, arguments.output)
    camera_of = _camera_chooser(arguments)

    # Only now: PyTorch takes seconds to import, and a wrong argument should not wait for it.
    from hma_depth_ros.data.image_file import read_rgb
    from hma_depth_ros.inference.predictor import DepthPredictor
    from hma_depth_ros.visualization.tiles import FrameView

    predictor = DepthPredictor.from_checkpoint(
        arguments.checkpoint, device=arguments.device, mount=mount
    )
    failures = 0
    for path in images:
        start = time.perf_counter()
        try:
            image = read_rgb(path)
            height, width = image.shape[:2]
            prediction = predictor.predict(image, camera_of(path, width, height))
            assert prediction.depth is not None
            frame = FrameView(
                image,
                prediction.depth,
                predictor.max_depth,
                prediction.attention,
                prediction.points,
                caption=path.stem,
            )
            _write(frame, arguments.output, path.stem)
            if arguments.npz:
                _write_npz(arguments.output / f"{path.stem}.npz", prediction)
        except HmaDepthError as error:
            print(f"predict: {error}", file=sys.stderr)
            failures += 1
            continue
        seconds = time.perf_counter() - start
        print(f"{shown(path)}: {_summary(frame.depth)}; {seconds:.1f} s", flush=True)
    print(f"{len(images) - failures} of {len(images)} images done, see {shown(arguments.output)}")
    return 1 if failures else 0


def _check_stems(images: Sequence[Path]) -> None:
    counts = Counter(path.stem for path in images)
    stem, count = counts.most_common(1)[0]
    if count > 1:
        same = ", ".join(str(path) for path in images if path.stem == stem)
        raise HmaDepthError(
            f"{same} would all be written as {stem}_*; give each its own --output in separate runs"
        )


def _check_kept(images: Sequence[Path], output: Path) -> None:
    """See that results take the place of results alone, and not of what lies beside the images."""
    given = {path.resolve() for path in images}
    for path in images:
        beside = output.resolve() == path.resolve().parent
        for ending in _ENDINGS:
            target = output / f"{path.stem}{ending}"
            if target.exists() and (beside or target.resolve() in given):
                raise HmaDepthError(
                    f"{target} is there already, beside the images, and may be no result; choose "
                    "another folder with --output, or remove it"
                )


def _camera_chooser(
    arguments: argparse.Namespace,
) -> Callable[[Path, int, int], PinholeCamera | None]:
    """Return the function from an image's path, width and height to its camera."""
    calibration, fx = arguments.calibration, arguments.fx
    index = camera_number(arguments)
    if calibration is not None:
        return partial(_calibrated_camera, calibration, _read_camera(calibration, index))
    if fx is None:
        return lambda _path, _width, _height: None
    if not 0 < fx < np.inf:
        raise HmaDepthError(f"--fx must be a positive number of pixels, not {fx:g}")
    return lambda _path, width, height: PinholeCamera.from_focal_length(
        fx, width=width, height=height
    )


def _read_camera(calibration: Path, index: int) -> PinholeCamera:
    from hma_depth_ros.data.kitti.calibration import read_cameras

    cameras = read_cameras(calibration)
    if index not in cameras:
        known = ", ".join(map(str, sorted(cameras)))
        raise HmaDepthError(
            f"{calibration} has no camera {index}, only {known}; choose with --camera"
        )
    return cameras[index].rectified


def _calibrated_camera(
    calibration: Path, camera: PinholeCamera, path: Path, width: int, height: int
) -> PinholeCamera:
    if (camera.width, camera.height) != (width, height):
        raise HmaDepthError(
            f"{path} is {width}x{height}, but {calibration} is for {camera.width}x{camera.height}; "
            "give the focal length of a resized or cropped image with --fx"
        )
    return camera


def _write(frame: FrameView, folder: Path, stem: str) -> None:
    from hma_depth_ros.data.depth.depth_png import write_depth_png
    from hma_depth_ros.data.image_file import write_png
    from hma_depth_ros.geometry.ply import write_ply
    from hma_depth_ros.visualization.depth_color import colorize_depth
    from hma_depth_ros.visualization.panel import panel

    write_depth_png(folder / f"{stem}_depth.png", frame.depth)
    color = colorize_depth(frame.depth, max_depth=frame.max_depth)
    write_png(folder / f"{stem}_color.png", color)
    write_png(folder / f"{stem}_panel.png", panel(frame))
    if frame.points is not None:
        write_ply(folder / f"{stem}.ply", frame.points, frame.image)


def _write_npz(path: Path, prediction: Prediction) -> None:
    arrays: dict[str, Any] = {
        "depth": prediction.depth,
        "attention": prediction.attention,
        "uncertainty": prediction.uncertainty,
    }
    with atomic_path(path) as temporary:
        np.savez(temporary, **{name: array for name, array in arrays.items() if array is not None})


def _summary(depth: npt.NDArray[np.float32]) -> str:
    height, width = depth.shape
    valid = depth[np.isfinite(depth)]
    if not valid.size:
        return f"{width}x{height}, no depth"
    low, median, high = np.percentile(valid, [1, 50, 99])
    return f"{width}x{height}, depth {low:.1f} to {high:.1f} m, median {median:.1f} m"
