"""Train a model by a preset: one command for each row of the paper's Table I.

Everything that a run depends on is in its configuration: a preset, changed by a YAML file, changed
by key=value arguments such as model.scales=3 or optimiser.batch_size=8; --print-config shows all
keys. For several GPUs or machines: torchrun --nproc-per-node N -m hma_depth_ros train ...
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hma_depth_ros.argument_checks import option_name
from hma_depth_ros.data.depth.depth_units import unit_hint
from hma_depth_ros.data.frame_name import scene_name
from hma_depth_ros.data.splits.own_dataset import REPORT
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path, check_writable
from hma_depth_ros.training.config_file import load_config, preset_names, to_yaml
from hma_depth_ros.training.data_arguments import add_data_arguments, with_data_arguments

if TYPE_CHECKING:
    from hma_depth_ros.training.lists import Lists
    from hma_depth_ros.training.run_config import TrainConfig
    from hma_depth_ros.training.run_folder import RunFolder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="train",
        description=__doc__,
        epilog=f"presets: {', '.join(preset_names())}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="changes, read as YAML")
    what = parser.add_argument_group("configuration")
    what.add_argument("--preset", metavar="NAME", help="where it starts from; see below")
    what.add_argument("--config", type=Path, metavar="FILE", help="YAML with changes to the preset")
    what.add_argument(
        "--print-config", action="store_true", help="print the whole configuration, and no more"
    )
    add_data_arguments(parser).add_argument(
        "--mix",
        action="append",
        metavar="FILE",
        help="with --preset finetune: frames of another list too, rendered ones or KITTI's, "
        "so that nothing is forgotten; its files lie under its own folder",
    )
    run = parser.add_argument_group("run")
    where = run.add_mutually_exclusive_group()
    where.add_argument("--output", type=Path, metavar="RUN", help="folder of the new run")
    where.add_argument(
        "--resume",
        type=Path,
        metavar="RUN",
        help="go on with an interrupted run, exactly, with the configuration in its folder; only "
        "data.root (or --data) and data.workers may be changed",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE.html",
        help="when the run is done, write its curves and validation frames as one web page",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    arguments = _parser().parse_intermixed_args(argv)

    # Only now: PyTorch takes seconds to import, and a wrong argument should not wait for it.
    import cv2

    from hma_depth_ros.html_report.training_page import write_training_page
    from hma_depth_ros.training.lists import read_lists
    from hma_depth_ros.training.processes import joined_processes
    from hma_depth_ros.training.run_folder import RunFolder
    from hma_depth_ros.training.trainer import Trainer

    resume = arguments.resume is not None
    config = _resumed(arguments) if resume else _configured(arguments)
    if arguments.print_config:
        print(to_yaml(config), end="")
        return 0
    if arguments.output is None and not resume:
        raise HmaDepthError("name the folder of the run by --output, or --resume an old one")
    folder = RunFolder(arguments.resume if resume else arguments.output)
    if arguments.report is not None:
        check_writable(arguments.report)
    cv2.setNumThreads(1)  # the loader's processes have a core each
    with joined_processes(config.compute.device) as processes:
        lists = processes.by_first(
            lambda: read_lists(config.data, labels_needed=config.loss.smoothness_weight > 0)
        )
        trainer = Trainer(config, lists, folder, processes, resume=resume)
        if not resume:  # only now, when nothing can be wrong with it any more
            processes.by_first(lambda: folder.create(config, lists.description))
        if processes.is_first:
            _print_unit(lists)
            if config.validation.blends:
                _print_validation(lists)
        outcome = trainer.run()
        if processes.is_first:
            print(f"{folder.path}: {outcome.steps} steps done")
            if outcome.best is not None:
                which = _which_weights(outcome.best_share)
                print(f"best {config.validation.metric} {outcome.best:.4f}{which}: {folder.best}")
        first = processes.is_first
    if first:
        _record_depth_ranges(folder, lists, config)
        if arguments.report is not None:
            write_training_page(arguments.report, folder.path)
    return 0


def _record_depth_ranges(folder: RunFolder, lists: Lists, config: TrainConfig) -> None:
    """Into the run's checkpoints, for the node to call other depth implausible."""
    from hma_depth_ros.evaluation.depth_ranges import record_depth_ranges
    from hma_depth_ros.training.lists import camera_heights

    kept = [path for path in (folder.last, folder.best) if path.is_file()]
    print(
        "recording what depth the training frames give (the node calls other depth implausible)",
        flush=True,  # it takes minutes on a CPU
    )
    same = len(kept) == 2 and filecmp.cmp(folder.last, folder.best, shallow=False)
    for path in kept[:1] if same else kept:
        record_depth_ranges(
            path,
            lists.training,
            path,
            device=config.compute.device,
            mount=config.crop.mount,
            heights=camera_heights(lists, config.data),
        )
    if same:
        with atomic_path(folder.best) as written:
            shutil.copyfile(folder.last, written)


def _which_weights(share: float) -> str:
    """Of the best ones, with so much of what training changed."""
    if share == 1:
        return ""
    if share == 0:
        return " by the weights it started from, which no others beat on the validation frames"
    return f" with {share:g} of what training changed"


def _print_validation(lists: Lists) -> None:
    """Say so where weights are chosen by streets that they have seen."""
    trained, chosen_by = (
        {scene_name(entry.image) for entry in entries}
        for entries in (lists.training, lists.validation)
    )
    if chosen_by and chosen_by <= trained:
        print(
            "hint: all recordings of the validation list are trained on too, so that it cannot "
            "tell what is learned of the car from what is learned of these streets; --validation "
            "LIST names frames of other streets",
            flush=True,
        )


def _print_unit(lists: Lists) -> None:
    files = [entry.depth for entry in lists.training if isinstance(entry.depth, Path)]
    if hint := unit_hint(files, units_per_metre=lists.benchmark.layout.units_per_metre):
        print(f"hint: {hint}", flush=True)


def _configured(arguments: argparse.Namespace) -> TrainConfig:
    from hma_depth_ros.training.fine_tuning import FINETUNE

    config = load_config(
        preset=arguments.preset, file=arguments.config, overrides=arguments.overrides
    )
    if arguments.preset == FINETUNE:
        return _fine_tuned(config, arguments)
    if arguments.mix:
        raise HmaDepthError("--mix is for --preset finetune; others take --split several times")
    return with_data_arguments(config, arguments)


def _fine_tuned(config: TrainConfig, arguments: argparse.Namespace) -> TrainConfig:
    """The preset's configuration with what follows from checkpoint and frames."""
    from hma_depth_ros.training.fine_tuning import FINETUNE, fitted, listed, lists_of, weights_file

    found: dict[str, Any] = {}
    folder = None if arguments.data is None else Path(arguments.data)
    if folder is not None and not (arguments.split or config.data.train):
        found["data"] = lists_of(folder, arguments.mix or ())
        arguments.data = None  # each list has its own folder
    elif arguments.mix:
        raise HmaDepthError("--mix goes with --data DIR of bag_to_dataset, and not with --split")
    names = arguments.split or found.get("data", {}).get("train") or config.data.train
    if names:
        root = arguments.data or config.data.root
        lists = listed(names, None if root is None else Path(root))
        found |= fitted(
            weights_file(config.model.weights),
            lists,
            report=None if folder is None else folder / REPORT,
        )
    config = load_config(
        preset=FINETUNE, file=arguments.config, overrides=arguments.overrides, found=found
    )
    return with_data_arguments(config, arguments)


def _resumed(arguments: argparse.Namespace) -> TrainConfig:
    """The run's own configuration; where its files lie and who reads them may have changed."""
    from hma_depth_ros.training.run_folder import RunFolder

    allowed = ("data.root=", "data.workers=")
    options = ("preset", "config", "split", "mix", "validation", "hold_out", "ground_truth_source")
    fixed = [option_name(name) for name in options if vars(arguments)[name]]
    fixed += [text for text in arguments.overrides if not text.startswith(allowed)]
    if fixed:
        raise HmaDepthError(
            f"--resume goes on with the run's own configuration, which {fixed[0]} would change"
        )
    folder = RunFolder(arguments.resume)
    folder.read_config()
    config = load_config(file=folder.config, overrides=arguments.overrides)
    return with_data_arguments(config, arguments)
