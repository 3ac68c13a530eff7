"""The arguments of `evaluate_kitti` and `evaluate_nyu`, and in part of `evaluate_bag`.

Apart from what they do, since `--help` need not wait for that.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hma_depth_ros.evaluation.dataset_rules import Benchmark
from hma_depth_ros.inference.engines.engine_names import ENGINES, PRECISIONS
from hma_depth_ros.inference.network_arguments import add_mount_arguments


def evaluation_parser(prog: str, summary: str, benchmark: Benchmark) -> argparse.ArgumentParser:
    """Of a command that scores a benchmark.

    Args:
        prog: its name.
        summary: of one line, for its help.
        benchmark: to score on.

    """
    protocols = "\n".join(f"  {name:10}{p.description}" for name, p in benchmark.protocols.items())
    parser = argparse.ArgumentParser(
        prog=prog,
        description=summary,
        epilog=f"protocols:\n{protocols}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what is scored")
    what.add_argument(
        "--data",
        type=Path,
        metavar="ROOT",
        help="folder of the images and the ground truth; of KITTI the one with kitti_raw/ (or the "
        "days) and data_depth_annotated/ (or the drives)",
    )
    what.add_argument(
        "--split",
        type=Path,
        metavar="FILE",
        help="frames: lines of 'image depth focal' as BTS's, or of 'image depth fx fy cx cy'",
    )
    what.add_argument(
        "--ground-truth",
        type=Path,
        metavar="DIR",
        help="folder of the ground truth (default: ROOT); without --split all of it is scored",
    )
    if len(benchmark.sources) > 1:
        what.add_argument(
            "--ground-truth-source",
            choices=benchmark.sources,
            default=benchmark.sources[0],
            help="annotated: the files that the split names; lidar: the velodyne scans taken with "
            "its images, also for frames without annotated depth (default: %(default)s)",
        )
    else:
        parser.set_defaults(ground_truth_source=benchmark.sources[0])
    what.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        metavar="FILE",
        help="network, or `bundled` (the default); given several times, they are compared on the "
        "same frames, with intervals of their differences",
    )
    what.add_argument(
        "--predictions",
        type=Path,
        metavar="DIR",
        help="score these instead of a checkpoint: 16-bit PNG of metres x "
        f"{benchmark.layout.units_per_metre:g} or npy of metres, named "
        f"{benchmark.prediction_names}",
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--protocols",
        metavar="NAME,...",
        help=f"default: {benchmark.default_protocol}, and `full` of a folder that bag_to_dataset "
        "made",
    )
    how.add_argument(
        "--caps",
        default=f"{benchmark.default_cap:g}",
        metavar="METRES,...",
        help="default: %(default)s",
    )
    how.add_argument(
        "--sparsification",
        action="store_true",
        help="judge the uncertainty that the network states, or the npy in DIR/uncertainty of "
        "--predictions DIR: error that remains without the most uncertain pixels (AUSE), and how "
        "many errors are within one sigma, by distance",
    )
    how.add_argument(
        "--boundaries",
        action="store_true",
        help="score boundaries of things (F-score within 1 and 2 pixels, error beside them), on "
        "frames with dense ground truth",
    )
    how.add_argument("--flip", action="store_true", help="average with the mirrored image's depth")
    how.add_argument(
        "--quantise",
        action="store_true",
        help="cut predictions down to the units of a PNG, as BTS stores them",
    )
    how.add_argument(
        "--allow-partial",
        action="store_true",
        help="score what there is; missing and damaged frames are reported and left out",
    )
    add_mount_arguments(how)
    how.add_argument("--workers", type=int, default=2, metavar="N", help="default: %(default)s")
    how.add_argument(
        "--batch",
        type=int,
        metavar="N",
        help="images that go through the network at once, if they have one size there; with --flip "
        "a frame has two (default: 4 on a GPU, 1 on a CPU, where more gain nothing)",
    )
    how.add_argument("--device", help="auto (the default), cpu, cuda or cuda:N")
    how.add_argument(
        "--engine",
        choices=ENGINES,
        help="default: torch (for an exported file a runtime that takes it); auto is the fastest",
    )
    how.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="default: fp32 on every device (for a file exported in another its own); auto is the "
        "fastest",
    )
    how.add_argument(
        "--predictions-dir",
        type=Path,
        metavar="DIR",
        help="keep a checkpoint's predictions here, and reuse those that are there",
    )
    how.add_argument(
        "--predictions-format",
        choices=("npy", "png"),
        help="of kept predictions: npy is exact, png cuts down to its units (default: npy)",
    )
    add_report_options(parser).add_argument(
        "--sparsification-plot",
        type=Path,
        metavar="FILE",
        help="picture (PNG) of the error that remains; turns --sparsification on",
    )
    return parser


def add_report_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the options that `command.reports_of` reads, and return their group."""
    reports = parser.add_argument_group("reports, beside the tables on the terminal")
    reports.add_argument("--json", type=Path, metavar="FILE", help="all figures")
    reports.add_argument("--csv", type=Path, metavar="FILE", help="figures by image")
    reports.add_argument("--panels", type=Path, metavar="DIR", help="best and worst frames")
    reports.add_argument(
        "--panel-count", type=int, metavar="N", help="of each, in --panels and --report (3)"
    )
    reports.add_argument(
        "--report",
        type=Path,
        metavar="FILE.html",
        help="all of it as one web page, with the best and worst frames",
    )
    return reports
