"""Train the mobile model from lists of frames in BTS's format (a first, plain version)."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, DataLoader

from hma_depth_ros.data.augmentation import Augmentation
from hma_depth_ros.data.ground_truth import SOURCES
from hma_depth_ros.data.located_split import read_located_split, read_training_split
from hma_depth_ros.evaluation.validate import validate
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.inference.torch_engine import TorchEngine
from hma_depth_ros.network.checkpoint import (
    CheckpointInfo,
    Preprocessing,
    load_checkpoint,
    save_checkpoint,
)
from hma_depth_ros.network.config import preset
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.training.dataset import CropDataset, CropSettings
from hma_depth_ros.training.imagenet import load_efficientnet_lite0
from hma_depth_ros.training.loop import TrainingSettings, train

#: KITTI's camera 2 (2011_09_26): the camera that the trained depth is metric for.
FOCAL_LENGTH, IMAGE_WIDTH = 721.5377, 1242


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="train", description=__doc__)
    parser.add_argument(
        "--split",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help="frames to train on: lines of 'image depth focal'; may be given several times",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="ROOT",
        help="folder of the files that the lists name, for KITTI the one with kitti_raw/ (or the "
        "days) and data_depth_annotated/ (default: each list's own folder)",
    )
    parser.add_argument(
        "--ground-truth-source",
        choices=SOURCES,
        default=SOURCES[0],
        help="what the training lists name, or the velodyne scans taken with their images "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--allow-test-scenes",
        action="store_true",
        help="train on drives of Eigen's test list too; figures on that list are then worthless",
    )
    parser.add_argument(
        "--validation", type=Path, required=True, metavar="FILE", help="frames to report on"
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="checkpoint, after each epoch"
    )
    parser.add_argument(
        "--initial",
        type=Path,
        metavar="FILE",
        help="checkpoint to go on from (default: ImageNet weights in the encoder)",
    )
    parser.add_argument("--description", default="", help="one sentence for the checkpoint")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--input-width", type=int, default=640, help="pixels; default %(default)s")
    parser.add_argument(
        "--crop",
        type=int,
        nargs=2,
        default=(176, 576),
        metavar=("HEIGHT", "WIDTH"),
        help="of the training windows, in pixels (default: 176 576)",
    )
    parser.add_argument("--zoom", type=float, default=1.3, help="largest random enlargement")
    parser.add_argument(
        "--half", action="store_true", help="write the weights as float16, for half the size"
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    arguments = _parser().parse_args(argv)
    splits = [
        read_training_split(
            path,
            arguments.data,
            source=arguments.ground_truth_source,
            allow_test_scenes=arguments.allow_test_scenes,
        )
        for path in arguments.split
    ]
    validation = read_located_split(arguments.validation, arguments.data)
    console = Console(soft_wrap=True, highlight=False)
    torch.manual_seed(arguments.seed)
    cv2.setNumThreads(1)  # the loader's process has a core to itself
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    if arguments.initial is None:
        model = HmaDepth(preset("mobile"))
        load_efficientnet_lite0(model)
        preprocessing = Preprocessing(
            input_width=arguments.input_width,
            focal_length=FOCAL_LENGTH * arguments.input_width / IMAGE_WIDTH,
        )
    else:
        model, initial = load_checkpoint(arguments.initial)
        preprocessing = initial.preprocessing
    assert preprocessing.input_width is not None
    assert preprocessing.focal_length is not None

    crop = CropSettings(
        input_width=preprocessing.input_width,
        focal_length=preprocessing.focal_length,
        size=tuple(arguments.crop),
    )
    augmentation = Augmentation(zoom=arguments.zoom)
    frames: ConcatDataset[tuple[Tensor, Tensor]] = ConcatDataset(
        [CropDataset(entries, crop, augmentation) for entries in splits]
    )
    loader = DataLoader(
        frames,
        batch_size=arguments.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=1,
        persistent_workers=True,
    )
    settings = TrainingSettings(
        epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        final_learning_rate=arguments.learning_rate / 20,
    )
    recipe = {
        "frames": len(frames),
        "initial": str(arguments.initial.name) if arguments.initial else "ImageNet encoder",
        **vars(settings),
        "batch_size": arguments.batch_size,
        "crop": list(crop.size),
        "zoom": augmentation.zoom,
    }
    console.print(f"{len(frames)} frames, {len(loader)} steps an epoch, on {device}")

    def after_epoch(epoch: int, loss: float, averaged: nn.Module) -> None:
        assert isinstance(averaged, HmaDepth)
        info = CheckpointInfo(
            averaged.config,
            preprocessing,
            description=arguments.description,
            training={**recipe, "epoch": epoch + 1},
        )
        engine = TorchEngine(averaged, preprocessing, device=device, precision="fp32")
        means, shares = validate(DepthPredictor(engine, info), validation)
        errors = ", ".join(
            f"{drive} {m['abs_rel']:.3f} / {m['d1']:.3f}" for drive, m in means.items()
        )
        console.print(
            f"{time.strftime('%H:%M:%S')} epoch {epoch + 1}: loss {loss:.3f}; AbsRel / d1: "
            f"{errors}; masks {', '.join(f'{share:.2f}' for share in shares)}"
        )
        save_checkpoint(
            arguments.output,
            averaged,
            CheckpointInfo(
                info.model,
                info.preprocessing,
                info.description,
                info.training,
                {"whole image, Garg window, LiDAR ground truth, cap 80 m": means},
            ),
            half=arguments.half,
        )

    train(model, loader, preprocessing, settings, device=device, after_epoch=after_epoch)
    return 0
