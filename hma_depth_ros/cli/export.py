"""Write a checkpoint as ONNX or OpenVINO file, which every command takes in its place.

The file's input is `image`, uint8 (B, H, W, 3), RGB, any batch; normalisation is inside. Outputs:
`depth` (B, 1, H, W) in metres for the training focal length, `attention` (B, S, H, W), coarse to
fine, and each scale's own maps. What was written is run and compared with PyTorch; if it deviates
too far, no file is left and the status is 2.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from hma_depth_ros.argument_checks import goes_with
from hma_depth_ros.assets import named_checkpoint
from hma_depth_ros.errors import HmaDepthError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="export", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "checkpoint", type=named_checkpoint, metavar="CHECKPOINT", help="safetensors file"
    )
    parser.add_argument("--format", choices=("onnx", "openvino"), required=True)
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="FILE.onnx; for OpenVINO FILE.xml, with the weights in FILE.bin",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--size", metavar="HxW", help="of the input; wider images are resized to that width"
    )
    size.add_argument(
        "--dynamic",
        action="store_true",
        help="any multiple of 32 (default); these commands pad other sizes themselves",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16", "int8"),
        default="fp32",
        help="fp16 halves the file: ONNX then computes in it, for GPUs; OpenVINO only stores its "
        "weights so; int8 is for OpenVINO and needs --calibration (default: %(default)s)",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="LIST",
        help="for int8: frames of your camera, some with ground truth, as for training; every "
        "second one of those is kept to see that AbsRel changes by less than 2%%",
    )
    parser.add_argument(
        "--data", type=Path, metavar="ROOT", help="folder of the list's files (default: its own)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    arguments = _parser().parse_args(argv)
    size = None if arguments.size is None else _size(arguments.size)
    if (arguments.precision == "int8") != (arguments.calibration is not None):
        raise HmaDepthError("--precision int8 and --calibration LIST go together")
    goes_with(arguments, "data", "calibration")
    if arguments.precision == "int8":
        return _int8(arguments, size)

    # Only now: PyTorch takes seconds to import, and a wrong argument should not wait for it.
    from hma_depth_ros.inference.engines.export import export_model

    outcome = export_model(
        arguments.checkpoint,
        arguments.output,
        kind=arguments.format,
        size=size,
        precision=arguments.precision,
    )
    print(
        f"{arguments.output}: {'any multiple of 32' if size is None else arguments.size}, "
        f"{arguments.precision}; median deviation from fp32 PyTorch: depth {outcome.depth:.1e}, "
        f"attention {outcome.attention:.1e}, loaded as a checkpoint {outcome.through_package:.1e} "
        f"({outcome.limit:.0e} allowed)"
    )
    return 0


def _int8(arguments: argparse.Namespace, size: tuple[int, int] | None) -> int:
    if arguments.format != "openvino":
        raise HmaDepthError("--precision int8 needs --format openvino")

    from hma_depth_ros.data.splits.located_split import read_located_split
    from hma_depth_ros.evaluation.int8_export import LIMIT, export_int8

    entries = read_located_split(arguments.calibration, arguments.data)
    outcome = export_int8(arguments.checkpoint, arguments.output, entries, size=size)
    print(
        f"{arguments.output}: {'any multiple of 32' if size is None else arguments.size}, int8, "
        f"calibrated on {outcome.calibrated_on} frames; AbsRel on {outcome.judged_on} others "
        f"{outcome.abs_rel_int8:.4f} instead of {outcome.abs_rel:.4f}: {outcome.change:+.2%} "
        f"({LIMIT:.0%} allowed); median deviation from fp32 PyTorch "
        f"{outcome.verification.depth:.1e}"
    )
    return 0


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise HmaDepthError(f"--size takes height x width such as 352x1216, not '{text}'")
    return int(match[1]), int(match[2])
