"""Show the depth node at work: replay a drive to it over DDS, record and draw what comes out.

Three processes on this machine, in a ROS domain of their own: a replayer, the depth node and a
recorder. Without --bag or --drive a street is rendered first. The output folder gets the bag of
images, depth, masks and clouds, a contact sheet, the figures as summary.json and the logs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from hma_depth_ros.argument_checks import positive
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.network_arguments import add_checkpoint_argument


def _count(text: str) -> int:
    value = int(text)
    if value < 2:
        raise argparse.ArgumentTypeError(f"{text} is too few, at least 2 are needed")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__.partition("\n")[0])
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--bag", type=Path, help="rosbag2 with images, instead of the street")
    source.add_argument(
        "--drive",
        type=Path,
        metavar="FOLDER",
        help="KITTI raw drive (.../2011_09_26/2011_09_26_drive_0001_sync), instead of the street",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("demo_output"),
        metavar="DIR",
        help="folder for the results; those of an earlier run are replaced (default: %(default)s)",
    )
    parser.add_argument(
        "--frames",
        type=_count,
        metavar="N",
        help="length of the rendered street (default: 30 frames at 10 Hz)",
    )
    parser.add_argument(
        "--rate", type=positive, default=1.0, help="times as fast as recorded (default: 1)"
    )
    parser.add_argument("--image-topic", help="of the bag (default: the first one with images)")
    parser.add_argument(
        "--camera-info-topic", help="of the bag (default: camera_info beside the images)"
    )
    add_checkpoint_argument(parser)
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)"
    )
    parser.add_argument(
        "--lockstep",
        action="store_true",
        help="process every image, instead of dropping those that a newer one has replaced",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    arguments = _parser().parse_args(argv)
    if arguments.frames is not None and (arguments.bag or arguments.drive):
        raise HmaDepthError("--frames is of the rendered street, not of --bag or --drive")
    from hma_depth_ros.data.image_file import write_png
    from hma_depth_ros.demo.demo_report import read_summary, summary_table, write_summary
    from hma_depth_ros.demo.recording import bag_frames
    from hma_depth_ros.demo.source import find_source
    from hma_depth_ros.demo.three_processes import DemoPlan, run
    from hma_depth_ros.inference.engines.model_file import read_model_info
    from hma_depth_ros.ros.transport import transport_note
    from hma_depth_ros.visualization.contact_sheet import contact_sheet

    console = Console(highlight=False, soft_wrap=True)
    output: Path = arguments.output
    checkpoint = arguments.checkpoint
    model = read_model_info(checkpoint).model
    source = find_source(
        _bag(arguments, console),
        image_topic=arguments.image_topic,
        info_topic=arguments.camera_info_topic,
    )
    for remark in source.remarks:
        console.print(remark)
    console.print(
        f"{source.bag}: {source.images} images on {source.image_topic}, "
        f"{source.seconds:.1f} s, calibration on {source.info_topic or 'no topic: no cloud'}"
    )
    plan = DemoPlan(
        source=source,
        rate=arguments.rate,
        scales=model.reductions if model.attention else (),
        confidence=model.uncertainty,
        max_depth=model.max_depth,
        node_parameters=(
            f"checkpoint:={checkpoint.absolute()}",
            f"device:={arguments.device}",
            f"lockstep:={str(arguments.lockstep).lower()}",
        ),
        output_bag=output / "output_bag",
        logs=output / "logs",
    )
    if note := transport_note():
        console.print(note)
    console.print(f"starting replayer, depth node and recorder; they log to {plan.logs}")
    with console.status("starting") as status:
        run(plan, report=status.update)

    summary = read_summary(
        plan.output_bag,
        replayed=source.images,
        replay_rate=arguments.rate * (source.images - 1) / source.seconds if source.seconds else 0,
    )
    write_summary(output / "summary.json", summary)
    frames = bag_frames(
        plan.output_bag, image_topic=source.image_topic, count=4, max_depth=model.max_depth
    )
    write_png(output / "contact_sheet.png", contact_sheet(frames))
    console.print(summary_table(summary))
    if summary.warning:
        console.print(f"the node warns: {summary.warning}")
    console.print("written:")
    for path in (plan.output_bag, output / "contact_sheet.png", output / "summary.json", plan.logs):
        console.print(f"  {path}")
    return 0


def _bag(arguments: argparse.Namespace, console: Console) -> Path:
    """Bag to replay, made first if it is not there."""
    from hma_depth_ros.demo.source import drive_bag

    output: Path = arguments.output
    if arguments.bag is not None:
        return Path(arguments.bag)
    if arguments.drive is not None:
        bag = output / "drive_bag"
        console.print(f"converting {arguments.drive} to {bag}")
        for error in drive_bag(arguments.drive, bag):
            console.print(f"left out: {error}", markup=False)
        return bag
    frames = arguments.frames or 30
    bag = output / f"street_{frames}"
    if not bag.exists():
        from hma_depth_ros.cli.synthetic_drive import main as render

        console.print(f"rendering a street of {frames} frames to {bag}")
        drive = str(output / "street")
        render(["--output", drive, "--frames", str(frames), "--bag", str(bag)])
    return bag
