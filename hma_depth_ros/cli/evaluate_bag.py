"""Score the depth images of a rosbag2 by its LiDAR or ground truth, as evaluate_kitti does."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from hma_depth_ros.argument_checks import goes_with, not_negative
from hma_depth_ros.data.depth.depth_png import UNITS_PER_METRE
from hma_depth_ros.data.kitti.camera_argument import add_camera_argument, camera_number
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.command_arguments import add_report_options
from hma_depth_ros.evaluation.protocols import PROTOCOLS, protocols_by_name


def _parser() -> argparse.ArgumentParser:
    protocols = "\n".join(f"  {name:10}{p.description}" for name, p in PROTOCOLS.items())
    parser = argparse.ArgumentParser(
        prog="evaluate_bag",
        description=__doc__,
        epilog="The depth is scored as it was published, whatever part of the image the network "
        "saw;\nevaluate_kitti's figures of the 1216x352 crop need depth of that crop "
        f"(process_bag --kitti-crop).\n\nprotocols:\n{protocols}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what is scored")
    what.add_argument(
        "bag", type=Path, help="bag with depth images of any node: 32FC1, 16UC1 or compressedDepth"
    )
    what.add_argument(
        "--depth-topic",
        metavar="TOPIC",
        help="default: the one that ends with depth/image, or depth/image/compressedDepth",
    )
    truth = what.add_mutually_exclusive_group()
    truth.add_argument(
        "--ground-truth-topic",
        metavar="TOPIC",
        help="depth images (default: the one named depth_ground_truth, else the LiDAR)",
    )
    truth.add_argument("--lidar-topic", metavar="TOPIC", help="PointCloud2")
    what.add_argument(
        "--ground-truth-bag",
        type=Path,
        metavar="BAG",
        help="where ground truth and transforms are (default: the same bag)",
    )
    what.add_argument(
        "--camera-info-topic",
        metavar="TOPIC",
        help="of the depth images (default: camera_info beside them)",
    )
    what.add_argument(
        "--image-topic", metavar="TOPIC", help="pictures to show in --panels, of the same stamps"
    )
    what.add_argument(
        "--calibration",
        type=Path,
        metavar="DAY",
        help="folder of KITTI's calibration files, instead of the bag's transforms",
    )
    add_camera_argument(what)
    how = parser.add_argument_group("how")
    how.add_argument(
        "--max-difference",
        type=not_negative,
        default=0.05,
        metavar="SECONDS",
        help="between a depth image and its ground truth (default: %(default)s)",
    )
    how.add_argument(
        "--no-occlusion-filter",
        action="store_true",
        help="keep LiDAR returns that lie behind nearer ones in the image, as evaluate_kitti does",
    )
    how.add_argument(
        "--no-motion",
        action="store_true",
        help="take each scan as of the time of its image, even if /tf tells how the LiDAR moved "
        "meanwhile",
    )
    how.add_argument("--protocols", default="bts", metavar="NAME,...", help="default: %(default)s")
    how.add_argument("--caps", default="80", metavar="METRES,...", help="default: %(default)s")
    how.add_argument(
        "--quantise",
        action="store_true",
        help="cut depth down to the units of a KITTI PNG, as BTS stores it",
    )
    how.add_argument(
        "--allow-partial", action="store_true", help="report and leave out frames that are damaged"
    )
    how.add_argument("--workers", type=int, default=2, metavar="N", help="default: %(default)s")
    add_report_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    arguments = _parser().parse_args(argv)

    if arguments.workers < 1 or (arguments.panel_count is not None and arguments.panel_count < 1):
        raise HmaDepthError("--workers and --panel-count must be 1 or more")
    camera = camera_number(arguments)
    goes_with(arguments, "image_topic", "panels", "report")
    goes_with(arguments, "panel_count", "panels", "report")

    # Only now: what works here takes its time to import, and a wrong argument need not wait for it.
    from hma_depth_ros.bags.scoring.bag_score import ScoreRequest, open_frames
    from hma_depth_ros.evaluation.command import caps_of, reports_of
    from hma_depth_ros.evaluation.score_frames import Settings
    from hma_depth_ros.evaluation.score_list import Session
    from hma_depth_ros.html_report.evaluation_page import write_evaluation_page

    settings = Settings(
        protocols_by_name(arguments.protocols.split(","), PROTOCOLS),
        caps_of(arguments.caps),
        UNITS_PER_METRE,
        quantised=arguments.quantise,
    )
    request = ScoreRequest(
        bag=arguments.bag,
        truth_bag=arguments.ground_truth_bag or arguments.bag,
        depth_topic=arguments.depth_topic,
        truth_topic=arguments.ground_truth_topic,
        lidar_topic=arguments.lidar_topic,
        info_topic=arguments.camera_info_topic,
        image_topic=arguments.image_topic,
        calibration=arguments.calibration,
        camera=camera,
        limit=round(arguments.max_difference * 1e9),
        occlusion_filter=not arguments.no_occlusion_filter,
        follow_motion=not arguments.no_motion,
    )
    with ExitStack() as stack:
        found = open_frames(request, stack)
        for remark in found.remarks:
            print(remark)
        matched = len(found.frames.frames)
        print(
            f"{matched} of {found.depths} depth images on {found.depth_topic} have ground truth, "
            f"of {found.truths} messages on {found.truth_topic}"
        )
        print(found.timing)
        Session(
            found.frames,
            found.predictions,
            settings,
            {**found.description, "data_set": "bag", "quantised": arguments.quantise},
            reports=reports_of(arguments),
            workers=arguments.workers,
            allow_partial=arguments.allow_partial,
            published=False,
            write_page=write_evaluation_page,
        ).run()
    return 0
