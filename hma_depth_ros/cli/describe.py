"""Print a model's parts and parameter counts, or what a checkpoint file holds."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import yaml
from rich.console import Console
from rich.table import Table

from hma_depth_ros.assets import named_checkpoint
from hma_depth_ros.network.model_config import PRESETS, ModelConfig, preset
from hma_depth_ros.network.paper_sizes import BTS_GFLOP, BTS_PARAMETERS, BTS_SIZE

if TYPE_CHECKING:
    from hma_depth_ros.network.checkpoint import CheckpointInfo
    from hma_depth_ros.network.model import HmaDepth


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="describe", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", metavar="NAME", help=f"one of {', '.join(PRESETS)}")
    what.add_argument(
        "--checkpoint", type=named_checkpoint, metavar="FILE", help="checkpoint or exported file"
    )
    parser.add_argument("--scales", type=int, choices=(3, 4, 5), help="with --model (default 4)")
    parser.add_argument(
        "--flops",
        type=image_size,
        nargs="?",
        const=(352, 1216),
        metavar="HxW",
        help="the operations of each part for an image of this size (352x1216)",
    )
    parser.add_argument(
        "--no-attention",
        action="store_true",
        help="with --model: fuse the scales by a convolution instead of attention masks",
    )
    return parser


def parameter_table(model: HmaDepth) -> Table:
    """Parameters by part, and BTS's total for the same encoder."""
    config = model.config
    scales = ", ".join(f"H/{r}" if r > 1 else "H" for r in config.reductions)
    table = Table(
        title=f"HMA-Depth, {config.encoder}, scales {scales}, "
        f"{'attention' if config.attention else 'no attention'}",
        title_justify="left",
    )
    table.add_column("part")
    table.add_column("parameters", justify="right")
    decoder = model.decoder
    parts = {
        "encoder": model.encoder,
        "decoder: upsampling with skips": decoder.steps,
        "decoder: ASPP": decoder.aspp,
        "decoder: depth modules": decoder.depth_heads,
        "decoder: attention modules": decoder.attention_heads,
    }
    for name, part in parts.items():
        table.add_row(name, f"{sum(p.numel() for p in part.parameters()):,}")
    total = sum(p.numel() for p in model.parameters())
    table.add_section()
    table.add_row("total", f"{total:,} ({total / 1e6:.1f} M)")
    bts = BTS_PARAMETERS.get(config.encoder)
    table.add_row("BTS with this encoder", "not published" if bts is None else f"{bts} M")
    return table


def flop_table(config: ModelConfig, size: tuple[int, int]) -> Table:
    """Operations by part of the network, and what the decoder's decisions save."""
    from hma_depth_ros.network.flops import count_flops, saved_flops

    table = Table(
        title=f"operations for one image of {size[0]}x{size[1]}, a multiply-add being two"
    )
    table.add_column("part")
    table.add_column("GFLOP", justify="right")
    table.add_column("share", justify="right")
    flops = count_flops(config, size)
    total = sum(flops.values())
    for name, count in flops.items():
        table.add_row(name, f"{count / 1e9:.2f}", f"{count / total:.1%}")
    table.add_section()
    table.add_row("total", f"{total / 1e9:.2f}", "")
    if size == BTS_SIZE and config.encoder in BTS_GFLOP:
        bts = BTS_GFLOP[config.encoder]
        table.add_row(
            f"BTS with this encoder: ours is {total / 1e9 / bts:.1%} of it", f"{bts:.1f}", ""
        )
    table.add_section()
    for name, count in saved_flops(config, size).items():
        table.add_row(f"saved: {name}", f"{count / 1e9:.2f}", f"{count / total:.1%}")
    return table


def image_size(text: str) -> tuple[int, int]:
    """(height, width) of the argument HxW."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None or not all(32 <= int(side) <= 8192 for side in match.groups()):
        raise argparse.ArgumentTypeError(f"not a size HxW of 32 to 8192 pixels: {text}")
    return int(match[1]), int(match[2])


def _print_info(console: Console, info: CheckpointInfo) -> None:
    content = {
        "model": vars(info.model),
        "preprocessing": vars(info.preprocessing),
        "training": info.training,
        "evaluation": info.evaluation,
        "depth_ranges": info.depth_ranges,
    }
    text = yaml.safe_dump(_rounded(content), sort_keys=False, default_flow_style=None, width=100)
    console.print(text, end="", markup=False, highlight=False)
    console.print(f"description: {info.description}", markup=False, highlight=False)
    console.print(f"written by version: {info.code_version}")


def _rounded(content: Any) -> Any:
    """With figures for people, and without tuples, which YAML lacks."""
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_rounded(value) for value in content]
    return float(f"{content:.5g}") if isinstance(content, float) else content


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    parser = _parser()
    arguments = parser.parse_args(argv)

    # Only now: PyTorch takes seconds to import, and a wrong argument should not wait for it.
    from hma_depth_ros.inference.engines.model_source import ModelSource
    from hma_depth_ros.network.model import HmaDepth

    console = Console(soft_wrap=True)
    if arguments.checkpoint is not None:
        if arguments.scales or arguments.no_attention:
            parser.error("--scales and --no-attention go with --model: a checkpoint has its own")
        source = ModelSource(arguments.checkpoint)
        _print_info(console, source.info)
        if source.record is not None:
            size = source.fixed_size
            console.print(
                f"exported in {source.record.precision}, for "
                f"{'any multiple of 32' if size is None else f'{size[0]}x{size[1]}'}, from the "
                f"checkpoint with SHA-256 {source.record.source}"
            )
        model = HmaDepth(source.info.model)  # for its shapes only
    else:
        model = HmaDepth(
            preset(
                arguments.model,
                scales=arguments.scales or 4,
                attention=not arguments.no_attention,
            )
        )
    console.print(parameter_table(model))
    if arguments.flops is not None:
        console.print(flop_table(model.config, arguments.flops))
    return 0
