"""Score a checkpoint or stored predictions on NYU Depth v2 (654 test frames, as BTS extracts them).

Ends with status 0, or 2 and one line on stderr if anything is missing, damaged or of a wrong count
(see --allow-partial).
"""

from __future__ import annotations

from collections.abc import Sequence

from hma_depth_ros.evaluation.command_arguments import evaluation_parser
from hma_depth_ros.evaluation.dataset_rules import NYU


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the status is described at the top of this module."""
    summary = (__doc__ or "").partition("\n")[0]
    arguments = evaluation_parser("evaluate_nyu", summary, NYU).parse_args(argv)

    # Only now: what works here takes its time to import, and a wrong argument need not wait for it.
    from hma_depth_ros.evaluation.command import evaluate_command
    from hma_depth_ros.html_report.evaluation_page import write_evaluation_page

    return evaluate_command(arguments, benchmark=NYU, write_page=write_evaluation_page)
