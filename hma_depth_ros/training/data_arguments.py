"""The arguments of `train` and `ablate` that say where the data are; short for the keys data.*."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from hma_depth_ros.data.depth.ground_truth import SOURCES

if TYPE_CHECKING:
    from hma_depth_ros.training.run_config import TrainConfig


def add_data_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add them in a group of their own, and return that."""
    data = parser.add_argument_group("data, the same as the keys data.*")
    data.add_argument(
        "--data",
        metavar="ROOT",
        help="folder of the files that the lists name, for KITTI the one with kitti_raw/ (or the "
        "days) and data_depth_annotated/ (default: each list's own folder)",
    )
    data.add_argument(
        "--split",
        action="append",
        metavar="FILE",
        help="frames to train on: lines of 'image depth focal' or 'image depth fx fy cx cy'; "
        "may be given several times",
    )
    data.add_argument(
        "--validation", metavar="FILE", help="frames to choose the best weights by; no test list"
    )
    data.add_argument(
        "--hold-out",
        action="append",
        metavar="DRIVE",
        help="drive of the training lists to choose the best weights by instead of training on it, "
        "such as 2011_09_26_drive_0001; may be given several times",
    )
    data.add_argument(
        "--ground-truth-source",
        choices=SOURCES,
        help="what the training lists name, or the velodyne scans taken with their images",
    )
    data.add_argument(
        "--allow-test-scenes",
        action="store_true",
        help="use drives of Eigen's test list too; figures on that list are then worthless",
    )
    return data


def with_data_arguments(config: TrainConfig, arguments: argparse.Namespace) -> TrainConfig:
    """The configuration with those arguments that were given."""
    section = config.data
    data = replace(
        section,
        root=arguments.data or section.root,
        train=tuple(arguments.split or section.train),
        validation=arguments.validation or section.validation,
        hold_out=tuple(arguments.hold_out or section.hold_out),
        ground_truth_source=arguments.ground_truth_source or section.ground_truth_source,
        allow_test_scenes=arguments.allow_test_scenes or section.allow_test_scenes,
    )
    return replace(config, data=data)
