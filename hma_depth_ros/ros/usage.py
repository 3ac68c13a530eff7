"""`--help` of the nodes' executables, which take ROS arguments only."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from hma_depth_ros.ros.parameter_table import help_text
from hma_depth_ros.ros.ros_session import split_ros_args

_USAGE = "%(prog)s [-h] [--ros-args [-p NAME:=VALUE] [--params-file FILE] [-r FROM:=TO] ...]"


def check_arguments(
    name: str,
    argv: Sequence[str],
    *,
    description: str,
    topics: Sequence[str],
    parameters: type[Any],
) -> None:
    """Print usage and end, if asked to; refuse what ROS would ignore.

    Args:
        name: of the executable.
        argv: its arguments.
        description: what it does.
        topics: their names, to be remapped.
        parameters: its table.

    Raises:
        SystemExit: with status 0 after the usage, with 2 for arguments that are not ROS's.

    """
    parser = argparse.ArgumentParser(
        name,
        usage=_USAGE,
        description=description,
        epilog=f"topics: {', '.join(topics)}\n\n{help_text(parameters)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    own, _ = split_ros_args(argv)
    _, unknown = parser.parse_known_args(own)
    if unknown:
        parser.error(
            f"unrecognized arguments: {' '.join(unknown)}; parameters and remappings stand after "
            "--ros-args: --ros-args -p NAME:=VALUE -r FROM:=TO"
        )
