"""Depth, camera_info, attention masks and cloud for every image of a rosbag2, without ROS.

OUT holds all of IN and, as the depth node would publish them, depth/image, depth/camera_info,
attention/scale_N and points; of several cameras each in its own namespace. Every image is
processed, and the result is the same to the byte each time. A run that was interrupted goes on
where it was when it is started again. Several processes may work on the same bags at once:

  torchrun --nproc-per-node 4 -m hma_depth_ros process_bag BAG BAG OUT

each takes parts that nobody has, and whoever finishes last puts the bags together.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hma_depth_ros.argument_checks import positive
from hma_depth_ros.bags.processing.output_settings import OUTPUT_KINDS, OutputSettings
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import check_writable
from hma_depth_ros.inference.engines.engine_names import ENGINES, PRECISIONS
from hma_depth_ros.inference.network_arguments import (
    add_checkpoint_argument,
    add_mount_arguments,
    mount_of,
)

if TYPE_CHECKING:
    from hma_depth_ros.bags.processing.process import BagProcess, ImageCounts, ProcessSettings
    from hma_depth_ros.inference.predictor import DepthPredictor


#: Problems that are named one by one.
_NAMED = 20


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(text.split(",")))
    if unknown := [kind for kind in kinds if kind not in OUTPUT_KINDS]:
        known = ", ".join(OUTPUT_KINDS)
        raise argparse.ArgumentTypeError(f"no output '{unknown[0]}'; there are {known}")
    return kinds


def _region(text: str) -> tuple[int, int, int, int]:
    numbers = text.split(",")
    if len(numbers) != 4 or not all(number.strip().isdecimal() for number in numbers):
        raise argparse.ArgumentTypeError(f"'{text}' is not LEFT,TOP,WIDTH,HEIGHT in pixels")
    left, top, width, height = map(int, numbers)
    return left, top, width, height


def _parser() -> argparse.ArgumentParser:
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="process_bag",
        description=summary,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "bags",
        type=Path,
        nargs="+",
        metavar="IN",
        help="bag folder, or one .mcap or .db3 file; several at once are possible",
    )
    parser.add_argument(
        "output",
        type=Path,
        metavar="OUT",
        help="new bag; of several bags a folder, in which each keeps its name",
    )
    what = parser.add_argument_group("what is processed")
    what.add_argument(
        "--image-topic",
        nargs="+",
        default=[],
        metavar="TOPIC",
        help="Image or CompressedImage (default: all cameras of the bag)",
    )
    what.add_argument(
        "--camera-info-topic", metavar="TOPIC", help="default: camera_info beside the images"
    )
    what.add_argument(
        "--uncalibrated",
        action="store_true",
        help="do without camera_info: depth is not scaled to the focal length, and has no cloud",
    )
    what.add_argument(
        "--allow-partial",
        action="store_true",
        help="end with status 0 even if images had to be left out",
    )
    how = parser.add_argument_group("how")
    add_checkpoint_argument(how)
    how.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or gpu (Intel's)")
    how.add_argument(
        "--engine",
        choices=ENGINES,
        help="default: torch in fp32, with which figures are measured; auto is the fastest",
    )
    how.add_argument("--precision", default="auto", choices=PRECISIONS)
    how.add_argument(
        "--threads", type=int, default=0, metavar="N", help="CPU threads; 0: the engine's choice"
    )
    how.add_argument(
        "--batch",
        type=int,
        metavar="N",
        help="images that go through the network at once, if they have one size there (default: 4 "
        "on a GPU, 1 on a CPU, where more gain nothing)",
    )
    how.add_argument(
        "--region",
        type=_region,
        metavar="L,T,W,H",
        help="left, top, width, height of the part that the network sees (default: all)",
    )
    how.add_argument(
        "--kitti-crop",
        action="store_true",
        help="let the network see KITTI's 1216x352 crop, which evaluate_kitti's protocols show it",
    )
    how.add_argument(
        "--input-width", type=int, metavar="PIXELS", help="default: the checkpoint's choice"
    )
    add_mount_arguments(how)
    how.add_argument(
        "--depth-scale",
        type=positive,
        default=1.0,
        metavar="FACTOR",
        help="on all depth, such as height_scale or accuracy_monitor say (default: %(default)s)",
    )
    how.add_argument(
        "--max-range", type=positive, metavar="METRES", help="depth beyond is +Inf (REP 117)"
    )
    result = parser.add_argument_group("what is written")
    result.add_argument(
        "--outputs",
        type=_kinds,
        default=OutputSettings().kinds,
        metavar="KIND,...",
        help=f"of {', '.join(OUTPUT_KINDS)} (default: all but confidence and color)",
    )
    result.add_argument(
        "--depth-encoding",
        choices=("32FC1", "16UC1"),
        default="32FC1",
        help="metres or millimetres (default: %(default)s)",
    )
    result.add_argument(
        "--compress-depth",
        action="store_true",
        help="depth/image/compressedDepth, image_transport's code, instead of depth/image: a tenth "
        "of the size, exact to 5 mm at 10 m and 0.3 m at 80 m",
    )
    result.add_argument(
        "--cloud-layout",
        choices=("packed", "padded"),
        default="packed",
        help="16 or 32 bytes a point (default: %(default)s)",
    )
    result.add_argument(
        "--cloud-stride", type=int, default=1, metavar="N", help="points of every Nth pixel"
    )
    result.add_argument(
        "--min-range", type=float, default=0.0, metavar="METRES", help="no points nearer than this"
    )
    result.add_argument(
        "--edge-filter",
        type=float,
        default=1.0,
        metavar="DEGREES",
        help="no points where ray and surface meet at a smaller angle, which are mostly in the air "
        "between a near and a far thing; 0 keeps all (default: %(default)s)",
    )
    result.add_argument(
        "--min-confidence",
        type=float,
        default=0.0,
        metavar="P",
        help="no points that are right (to a factor of 1.25) with a smaller probability",
    )
    result.add_argument(
        "--outputs-only",
        action="store_true",
        help="do not copy what IN holds, but for its transforms",
    )
    result.add_argument(
        "--namespace",
        default="",
        metavar="NAME",
        help="before the names of the topics that are added",
    )
    result.add_argument("--storage", choices=("mcap", "sqlite3"), default="mcap")
    result.add_argument("--compress", action="store_true", help="with zstd: smaller and slower")
    result.add_argument(
        "--part",
        type=positive,
        default=10.0,
        metavar="SECONDS",
        help="length of OUT's files; an interrupted run loses at most one (default: %(default)s)",
    )
    result.add_argument(
        "--report",
        type=Path,
        metavar="FILE.html",
        help="frames and figures over time as one web page, when OUT is complete",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.threads < 0 or (arguments.input_width or 0) < 0:
        parser.error("--threads and --input-width must not be negative")
    if arguments.batch is not None and arguments.batch < 1:
        parser.error("--batch must be 1 or more")
    if arguments.kitti_crop and (arguments.region or len(arguments.bags) > 1):
        parser.error("--kitti-crop is for one bag, and not with --region")
    if arguments.report is not None:
        if len(arguments.bags) > 1:
            parser.error("--report is for one bag; `report` makes a page of each")
        if "depth" not in arguments.outputs:
            parser.error("--report shows depth, which --outputs leaves out")
        check_writable(arguments.report)
    jobs = _jobs(arguments)
    for bag, out in jobs:
        if out.exists():
            raise HmaDepthError(f"{out} exists already; remove it or choose another name")
        if not bag.exists():
            raise HmaDepthError(f"no such bag: {bag}")

    # Torch takes seconds to import, and a wrong argument should not wait for it.
    from hma_depth_ros.bags.processing.process import BagProcess

    predictor, model = _predictor(arguments)
    settings = _settings(arguments, predictor)
    with ExitStack() as stack:
        processes = [
            stack.enter_context(BagProcess(bag, out, predictor, settings, model=model))
            for bag, out in jobs
        ]
        left_out = _run(processes)
    # Of several processes by each that finds OUT complete, which is the last one.
    if arguments.report is not None and arguments.output.exists():
        from hma_depth_ros.html_report.bag_page import write_bag_page

        write_bag_page(arguments.report, arguments.output)
    return 1 if left_out and not arguments.allow_partial else 0


def _jobs(arguments: argparse.Namespace) -> list[tuple[Path, Path]]:
    """Bags, and what becomes of them."""
    bags: list[Path] = arguments.bags
    if len(bags) == 1:
        return [(bags[0], arguments.output)]
    names = [bag.absolute().name if bag.is_dir() else bag.stem for bag in bags]
    if len(set(names)) < len(names):
        raise HmaDepthError(f"two of the bags have one name: {', '.join(sorted(names))}")
    return [(bag, arguments.output / name) for bag, name in zip(bags, names, strict=True)]


def _settings(arguments: argparse.Namespace, predictor: DepthPredictor) -> ProcessSettings:
    from rosbags.rosbag2 import StoragePlugin

    from hma_depth_ros.bags.processing.process import ProcessSettings
    from hma_depth_ros.inference.together import at_a_time

    return ProcessSettings(
        outputs=OutputSettings(
            kinds=arguments.outputs,
            depth_encoding=arguments.depth_encoding,
            compress_depth=arguments.compress_depth,
        ),
        images=tuple(arguments.image_topic),
        info=arguments.camera_info_topic,
        uncalibrated=arguments.uncalibrated,
        namespace=arguments.namespace,
        with_inputs=not arguments.outputs_only,
        batch=arguments.batch or at_a_time(predictor),
        part_seconds=arguments.part,
        storage=StoragePlugin[arguments.storage.upper()],
        compressed=arguments.compress,
    )


def _predictor(arguments: argparse.Namespace) -> tuple[DepthPredictor, dict[str, Any]]:
    """The predictor, and what its results depend on."""
    import torch

    from hma_depth_ros.bags.bag_cameras import find_cameras
    from hma_depth_ros.bags.reader import BagReader
    from hma_depth_ros.inference.cloud_filter import CloudFilter
    from hma_depth_ros.inference.plan import Region, kitti_benchmark_crop
    from hma_depth_ros.inference.points import CloudLayout
    from hma_depth_ros.inference.predictor import DepthPredictor
    from hma_depth_ros.messages.pictures import picture

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    region = None if arguments.region is None else Region(*arguments.region)
    if arguments.kitti_crop:
        with BagReader(arguments.bags[0]) as bag:
            camera = find_cameras(bag, images=arguments.image_topic).cameras[0]
            first = next(bag.messages([camera.image]))
            height, width = picture(bag.decode(first))[0].shape[:2]
        region = kitti_benchmark_crop(width=width, height=height)
    checkpoint, mount = arguments.checkpoint, mount_of(arguments)
    points = CloudFilter(
        stride=arguments.cloud_stride,
        min_range=arguments.min_range,
        min_angle=arguments.edge_filter,
        min_confidence=arguments.min_confidence,
    )
    predictor = DepthPredictor.from_checkpoint(
        checkpoint,
        device=_device(arguments.device),
        engine=arguments.engine,
        precision=arguments.precision,
        threads=arguments.threads,
        region=region,
        input_width=arguments.input_width,
        max_range=arguments.max_range,
        cloud_layout=CloudLayout[arguments.cloud_layout.upper()],
        cloud_filter=points,
        mount=mount,
        scale=arguments.depth_scale,
    )
    engine = predictor.engine
    model = {
        "checkpoint": hashlib.sha256(checkpoint.expanduser().read_bytes()).hexdigest(),
        "engine": engine.name,
        "precision": engine.precision,
        "hardware": engine.hardware,
        "threads": arguments.threads,
        "region": None if region is None else astuple(region),
        "input_width": predictor.input_width,
        "max_range": arguments.max_range,
        "cloud_layout": arguments.cloud_layout,
        "points": astuple(points),
        "mount": astuple(mount),
        "depth_scale": arguments.depth_scale,
    }
    return predictor, model


def _device(device: str) -> str:
    """Of several processes on one machine each takes a GPU of its own, where there are any."""
    import torch

    if device == "auto" and "LOCAL_RANK" in os.environ and torch.cuda.is_available():
        return f"cuda:{int(os.environ['LOCAL_RANK']) % torch.cuda.device_count()}"
    return device


def _run(processes: Sequence[BagProcess]) -> int:
    """Make what nobody has made yet, and say how many images had to be left out."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from hma_depth_ros.bags.processing.process import ImageCounts

    console = Console(highlight=False, soft_wrap=True)
    for process in processes:
        for remark in process.remarks:
            console.print(remark)
        if process.left_out:
            console.print(
                f"{process.parts_folder.out}: not copied, because their message definitions are "
                f"not known: {', '.join(process.left_out)}"
            )
    counted = ImageCounts()
    earlier = sum(process.images_done for process in processes)
    start = time.perf_counter()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        total = sum(process.images for process in processes)
        task = progress.add_task("images", total=total, completed=earlier)
        for process, index in _in_turn(processes):
            with process.parts_folder.claimed(index) as mine:
                if mine:
                    process.make(index, counted, progress=lambda n: progress.advance(task, n))
    seconds = time.perf_counter() - start
    return _report(console, processes, counted, earlier=earlier, seconds=seconds)


def _in_turn(processes: Sequence[BagProcess]) -> Iterator[tuple[BagProcess, int]]:
    """Every part of every bag; each rank of torchrun begins somewhere else."""
    parts = [(p, index) for p in processes for index in range(p.parts_folder.parts)]
    rank, world = (int(os.environ.get(n, d)) for n, d in (("RANK", "0"), ("WORLD_SIZE", "1")))
    first = len(parts) * rank // world
    yield from parts[first:]
    yield from parts[:first]


def _report(
    console: Any,
    processes: Sequence[BagProcess],
    counted: ImageCounts,
    *,
    earlier: int,
    seconds: float,
) -> int:
    for problem in counted.problems[:_NAMED]:
        console.print(f"left out: {problem}", markup=False)
    if len(counted.problems) > _NAMED:
        console.print(f"left out: {len(counted.problems) - _NAMED} more")
    made = counted.images - len(counted.problems)
    rate = made / seconds
    recorded = sum(process.seconds for process in processes)
    images = sum(process.images for process in processes)
    # How long the images made here took to record.
    real_time = recorded * made / images / seconds if images else 0.0
    before = f", {earlier} were there already" if earlier else ""
    console.print(
        f"{made} images in {seconds:.1f} s{before}: {rate:.1f} images/s, {real_time:.2f} "
        "times as fast as recorded"
    )
    left_out, useless = len(counted.problems), []
    for process in processes:
        folder = process.parts_folder
        whole = all(folder.finished(index) for index in range(folder.parts))
        without = process.images_without_depth if whole else 0
        if without and without == process.images:
            useless.append(folder.out)
            folder.discard()
            continue
        left_out = max(left_out, without)
        done = folder.assemble()
        end = "" if done else ": other processes are at work on the rest"
        console.print(f"{folder.out}{end}{f': {without} images have no depth' if without else ''}")
    if useless:
        why = counted.problems[0] if counted.problems else "all were left out before"
        raise HmaDepthError(f"{useless[0]} is not written, for no image can be used: {why}")
    return left_out
