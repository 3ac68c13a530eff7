"""A bag, images or the running node in Rerun's viewer: pictures, cloud, LiDAR, the car's way.

WHAT is a bag (a folder or an .mcap or .db3 file), a KITTI raw drive or odometry sequence, or images
(files, or a folder of them). A bag that has depth is shown as it is; of everything else the network
makes depth first.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path, temporary_folder
from hma_depth_ros.inference.network_arguments import (
    add_checkpoint_argument,
    add_mount_arguments,
    mount_of,
)

if TYPE_CHECKING:
    from hma_depth_ros.inference.predictor import DepthPredictor
    from hma_depth_ros.viewer.moment import Contents, Moment

_WIDTH, _HEIGHT = 1920, 1080


def _parser() -> argparse.ArgumentParser:
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="view",
        description=summary,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="*", type=Path, metavar="WHAT", help="see below")
    parser.add_argument(
        "--live",
        action="store_true",
        help="the topics of a running node instead; ROS arguments (--ros-args -r "
        "image:=/camera/image ...) may follow, as for the node",
    )
    where = parser.add_argument_group("where it is shown (default: a window)")
    where.add_argument("--save", type=Path, metavar="FILE.rrd", help="write a recording of Rerun's")
    where.add_argument(
        "--screenshot",
        type=Path,
        metavar="FILE.png",
        help="write a picture of the window, which needs no screen",
    )
    how = parser.add_argument_group("what is shown")
    how.add_argument(
        "--image-topic", metavar="TOPIC", help="camera of a bag (default: the first one)"
    )
    how.add_argument(
        "--every", type=int, default=1, metavar="N", help="each Nth image (default: %(default)s)"
    )
    how.add_argument(
        "--fx",
        type=float,
        metavar="PIXELS",
        help="focal length of image files, without which depth is unscaled and has no cloud",
    )
    add_checkpoint_argument(how)
    add_mount_arguments(how)
    how.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    words = list(sys.argv[1:] if argv is None else argv)
    begin = words.index("--ros-args") if "--ros-args" in words else len(words)
    parser = _parser()
    arguments = parser.parse_args(words[:begin])
    if arguments.every < 1:
        parser.error("--every must be 1 or more")
    if arguments.fx is not None and not 0 < arguments.fx < math.inf:
        parser.error("--fx must be a positive number of pixels")
    if arguments.live == bool(arguments.what):
        parser.error("name a bag, a drive or images, or take --live")
    for path in arguments.what:
        if not path.exists():
            raise HmaDepthError(f"no such file or folder: {path}")

    # Only now: PyTorch takes seconds to import, and a wrong argument should not wait for it.
    from hma_depth_ros.viewer.rerun_package import import_rerun

    rr = import_rerun()
    with ExitStack() as stack:
        if arguments.live:
            from hma_depth_ros.viewer.live_moments import live_moments

            kept = bool(arguments.save or arguments.screenshot)
            contents, moments = stack.enter_context(live_moments(words[begin:], kept=kept))
        else:
            contents, moments = stack.enter_context(_recorded(arguments))
        _show(rr, contents, moments, arguments)
    return 0


@contextmanager
def _recorded(arguments: argparse.Namespace) -> Iterator[tuple[Contents, Iterable[Moment]]]:
    """Contents and moments of files."""
    from hma_depth_ros.data.folder_files import files_in
    from hma_depth_ros.data.splits.listed_path import IMAGE_SUFFIXES

    paths: list[Path] = arguments.what
    if len(paths) == 1 and paths[0].is_dir():  # of images, where it is no bag and no drive
        paths = files_in(paths[0], IMAGE_SUFFIXES) or paths
    load = partial(_predictor, arguments)
    if all(path.suffix.lower() in IMAGE_SUFFIXES for path in paths):
        from hma_depth_ros.viewer.predicted import image_moments

        yield image_moments(load(), paths[:: arguments.every], arguments.fx)
        return
    if len(paths) > 1:
        raise HmaDepthError("several things at once can only be images; take one bag or drive")
    from hma_depth_ros.viewer.bag_moments import BagMoments

    with temporary_folder(prefix="hma_depth_view_") as folder:
        bag = _as_bag(paths[0], folder)
        with BagMoments(
            bag,
            image_topic=arguments.image_topic,
            every=arguments.every,
            load_predictor=load,
        ) as moments:
            for remark in moments.remarks:
                print(remark)
            yield moments.contents, moments


def _as_bag(path: Path, folder: Path) -> Path:
    """A bag as it is; a drive as a bag in `folder`, so that both are read by one code."""
    is_bag = path.is_file() or any(path.glob("*.mcap")) or any(path.glob("*.db3"))
    if is_bag or (path / "metadata.yaml").exists():
        return path
    from hma_depth_ros.bags.kitti.drive_bag import BagOptions, open_recording, write_kitti_bag

    drive = open_recording(path)
    cameras = [camera for camera in (2, 0, 3, 1) if camera in drive.cameras][:1]
    bag = folder / path.absolute().name
    write_kitti_bag(
        drive,
        bag,
        BagOptions(cameras=tuple(cameras), image_format="png"),
        on_damage=lambda error: print(f"left out: {error}"),
    )
    return bag


def _predictor(arguments: argparse.Namespace) -> DepthPredictor:
    mount = mount_of(arguments)  # before PyTorch is imported, which takes seconds
    from hma_depth_ros.inference.predictor import DepthPredictor

    return DepthPredictor.from_checkpoint(
        arguments.checkpoint, device=arguments.device, engine="auto", mount=mount
    )


def _show(
    rr: Any, contents: Contents, moments: Iterable[Moment], arguments: argparse.Namespace
) -> None:
    """Log the moments to a window or to files."""
    from hma_depth_ros.viewer.blueprint import layout
    from hma_depth_ros.viewer.rerun_file import told_of_errors
    from hma_depth_ros.viewer.rerun_log import write_moments
    from hma_depth_ros.viewer.screenshot import write_screenshot

    recording = rr.RecordingStream("hma_depth_ros", recording_id=None)
    recording.send_recording_name(contents.title)
    blueprint = layout(rr, contents)
    save, picture = arguments.save, arguments.screenshot
    if save is None and picture is None:
        recording.spawn(default_blueprint=blueprint)
        count = write_moments(rr, recording, contents, moments)
        recording.flush()
        print(f"{count} images shown")
        return
    with temporary_folder(prefix="hma_depth_view_") as folder:
        target = save if save is not None else folder / "view.rrd"
        with atomic_path(target) as temporary, told_of_errors(temporary) as pipe:
            try:
                recording.save(pipe, default_blueprint=blueprint)
                count = write_moments(rr, recording, contents, moments)
            finally:
                recording.disconnect()
        if save is not None:
            print(f"{save}: {count} images; 'rerun {save}' opens it")
        if picture is not None:
            write_screenshot(target, picture, width=_WIDTH, height=_HEIGHT)
            print(picture)
