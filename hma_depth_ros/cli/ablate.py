"""The paper's ablations: 3, 4 and 5 scales, no attention, eq. 6; equal budget, several seeds.

Trains every variant of a preset with every seed on the lists given, and writes a table of mean and
spread over the seeds. Takes hours or days; interrupted, the same command goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.training.ablation_variants import VARIANTS
from hma_depth_ros.training.config_file import load_config
from hma_depth_ros.training.data_arguments import add_data_arguments, with_data_arguments

_KEYS = [variant.key for variant in VARIANTS]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ablate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as for `train`")
    parser.add_argument(
        "--preset", metavar="NAME", help="what all variants have in common (default: resnet50)"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML, as for `train`")
    add_data_arguments(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="for all runs")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument(
        "--variants", nargs="+", choices=_KEYS, default=_KEYS[:4], help="default: all but eq6"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    arguments = _parser().parse_intermixed_args(argv)

    if arguments.seeds < 1:
        raise HmaDepthError("--seeds must be 1 or more")

    # Only now: PyTorch takes seconds to import, and a wrong argument should not wait for it.
    import cv2

    from hma_depth_ros.training.ablation import markdown, run_ablation
    from hma_depth_ros.training.lists import read_lists
    from hma_depth_ros.training.processes import joined_processes

    preset = arguments.preset or (None if arguments.config else "resnet50")
    config = with_data_arguments(
        load_config(preset=preset, file=arguments.config, overrides=arguments.overrides), arguments
    )
    cv2.setNumThreads(1)  # the loader's processes have a core each
    with joined_processes(config.compute.device) as processes:
        lists = processes.by_first(
            lambda: read_lists(config.data, labels_needed=config.loss.smoothness_weight > 0)
        )
        results = run_ablation(
            config,
            lists,
            arguments.output,
            processes,
            variants=[variant for variant in VARIANTS if variant.key in arguments.variants],
            seeds=range(arguments.seeds),
            say=print,
        )
        if processes.is_first:
            print(f"\n{markdown(results)}")
            print(f"{arguments.output / 'ablation.md'}, {arguments.output / 'ablation.json'}")
    return 0
