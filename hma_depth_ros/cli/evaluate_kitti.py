"""Score a checkpoint or stored predictions on KITTI, under named protocols.

Ends with status 0, or 2 and one line on stderr if anything is missing, damaged or of a wrong count
(see --allow-partial).
"""

from __future__ import annotations

from collections.abc import Sequence

from hma_depth_ros.evaluation.command import evaluate_command
from hma_depth_ros.evaluation.dataset_rules import KITTI
from hma_depth_ros.html_report.evaluation_page import write_evaluation_page


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the status is described at the top of this module."""
    summary = (__doc__ or "").partition("\n")[0]
    return evaluate_command(
        argv,
        prog="evaluate_kitti",
        summary=summary,
        benchmark=KITTI,
        write_page=write_evaluation_page,
    )
