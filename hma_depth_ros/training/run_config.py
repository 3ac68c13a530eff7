"""Everything that a training run depends on, as typed sections of one configuration.

Defaults are the paper's recipe where it gives one, and BTS's (which the paper follows) elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from hma_depth_ros.data.depth.ground_truth import Source
from hma_depth_ros.data.splits.dataset_layout import DatasetName
from hma_depth_ros.network.model_config import DepthMapping, Geometry
from hma_depth_ros.training.samples.augmentation import Augmentation
from hma_depth_ros.training.samples.dataset import CropSettings

Positive = Annotated[float, Field(gt=0)]
Finite = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(gt=0)]

Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class ModelSection:
    """Which network, and what it starts from."""

    preset: str = "resnet50"  #: of `network.model_config.PRESETS`; gives what is not set below
    scales: Literal[3, 4, 5] = 4
    attention: bool = True
    max_depth: Finite = 80.0  #: metres
    min_depth: Finite = 1.5  #: metres, of logarithmic and inverse depth
    depth_mapping: DepthMapping = "linear"  #: from a depth module's sigmoid to metres
    geometry: Geometry = "none"  #: what the network is told of the camera
    uncertainty: bool = False  #: estimate the error of log depth too
    encoder: str | None = None  #: another timm model
    decoder_channels: tuple[int, int, int, int, int] | None = None
    aspp_channels: Count | None = None
    #: `imagenet`: the encoder's classifier weights, downloaded by timm; `encoder:FILE`: those of a
    #: file (`encoder_weights.py`); `random`; or a checkpoint of the same model.
    #: `bundled` is the checkpoint that comes with the package.
    weights: str = "imagenet"
    #: Start a checkpoint's attention modules anew, as after a training that left one scale with
    #: nearly all of the weight.
    fresh_attention: bool = False


@dataclass(frozen=True)
class DataSection:
    """Frames to train on and to choose the best weights by."""

    dataset: DatasetName = "kitti"
    root: str | None = None  #: folder of the files that the lists name; None: each list's own
    train: tuple[str, ...] = ()  #: lists of frames
    validation: str | None = None  #: list of frames to choose the best weights by
    #: Drives (scenes of NYU Depth v2) whose frames are taken out of the training lists and validate
    #: beside that list's. With neither nothing is validated, and `best` is not kept.
    hold_out: tuple[str, ...] = ()
    ground_truth_source: Source = "annotated"  #: of the training frames
    allow_test_scenes: bool = False  #: drives of Eigen's test list too
    #: Folders beside the images' own with a second ground truth, by preference: used where the
    #: first has none.
    second_truth: tuple[str, ...] = ()
    second_weight: Share = 0.3  #: of a pixel's ground truth from there
    #: Leave out returns of sparse ground truth that lie behind nearer ones, which the camera cannot
    #: see and the scanner beside it can.
    occlusion_filter: bool = False
    #: Frames of a drive of n are drawn n^-balance times as often as a drive's only one.
    balance: Share = 0.0
    #: How much of an epoch is of each list of `train`, in proportion; empty: as many as there are.
    list_shares: tuple[Positive, ...] = ()
    #: Metres above the road of the camera of each list of `train`, for a network that is told the
    #: ground; empty: crop.camera_height for all.
    camera_heights: tuple[Finite, ...] = ()
    epoch_frames: Count | None = None  #: drawn in an epoch; None: as many as there are
    cache: bool = False  #: read all frames at the start and keep them in memory
    #: Metres; nearer ground truth is not trained on.
    minimum_depth: NonNegative = 1.0
    workers: Annotated[int, Field(ge=0)] = 2  #: processes of each rank that prepare samples


@dataclass(frozen=True)
class LossSection:
    """What is minimised."""

    #: `silog`: ten times the root of eq. 6, as BTS; `eq6`: as the paper prints it.
    form: Literal["silog", "eq6"] = "silog"
    lam: Share = 0.85  #: lambda of eq. 6
    scale_weight: NonNegative = 0.0  #: of the same error of each scale's own depth
    #: Of differences between neighbours' errors (Eigen & Fergus, 2015): sharp boundaries.
    gradient_weight: NonNegative = 0.0
    #: Of a scale's own error: `full` enlarges its depth to full size; `own` brings the ground truth
    #: to the scale's size, so that only what a scale can draw is asked of it.
    scale_resolution: Literal["full", "own"] = "full"
    #: Pixels of a frame with n labels weigh n^-balance each, in all parts but gradients: at 1 a
    #: frame of sparse LiDAR counts as much as one of dense stereo, at 0 as its pixels do.
    frame_balance: Share = 0.0
    #: Pixels beyond 10 m weigh (depth / 10 m)^power, up to 60 m: far surfaces cover few pixels.
    distance_power: NonNegative = 0.0
    smoothness_weight: NonNegative = 0.0  #: of bends inside semantic regions; needs label maps
    uncertainty_weight: NonNegative = 0.0  #: of the estimated error; needs model.uncertainty


@dataclass(frozen=True)
class OptimiserSection:
    """AdamW and its schedule."""

    epochs: Count = 50
    batch_size: Count = 16  #: of all processes together
    #: Parts that a process' share of a batch is computed in, for want of memory. The loss stays
    #: that of the whole batch; batch normalisation sees each part alone.
    accumulation: Count = 1
    learning_rate: Finite = 1e-4
    final_learning_rate: NonNegative = 1e-5
    #: The encoder's learning rate as a share of this one; less keeps more of ImageNet.
    encoder_share: Positive = 1.0
    schedule: Literal["polynomial", "one_cycle"] = "polynomial"
    power: Positive = 0.9  #: of the polynomial
    warm_up: Share = 0.3  #: share of all steps in which one_cycle rises
    weight_decay: NonNegative = 1e-2  #: on the encoder only
    adam_epsilon: Positive = 1e-3
    gradient_norm: Positive | None = None  #: larger gradients are cut to it; BTS cuts none
    #: Leave the encoder's first convolution and its normalisations' weights as they are.
    frozen_stem: bool = True
    #: Normalise by the statistics that the weights came with, and leave them: for fine-tuning, as
    #: a few similar frames make poor ones.
    frozen_statistics: bool = False
    #: Train the estimate of the error alone (`model.uncertainty`): depth stays what it is to the
    #: bit. Takes a third of the time, and `frozen_statistics` with it.
    only_uncertainty: bool = False
    #: Decay of the moving average of the weights, which is then what is kept; 0: no average.
    average_decay: Annotated[float, Field(ge=0, le=0.99999)] = 0.0


@dataclass(frozen=True)
class ComputeSection:
    """How it is computed."""

    device: str = "auto"  #: auto, cpu, cuda; under torchrun each process takes its own GPU
    #: Of autocast; the loss is always fp32. `auto` is bf16 on GPUs and CPUs with
    #: instructions for it, else fp32.
    precision: Precision = "fp32"
    channels_last: bool = True
    compile: bool = False  #: torch.compile; needs a C++ compiler
    #: On CUDA, let cuDNN try its algorithms for each convolution and keep the fastest. The first
    #: step of resnet50 took 85 s on an H200 with it: it pays in long trainings.
    cudnn_benchmark: bool = False
    #: The same bits each time on a GPU too, for some of its speed; CPUs always do that.
    deterministic: bool = False
    #: Batch statistics over all processes instead of each one's own share.
    synchronised_batch_norm: bool = True


@dataclass(frozen=True)
class ValidationSection:
    """How weights are compared."""

    #: Of `evaluate_kitti` or `evaluate_nyu`, or `whole`: Garg's window, the network sees all of the
    #: image; None is the data set's default.
    protocol: str | None = None
    metric: str = "abs_rel"  #: the mean of which over all frames decides
    every: Count = 1  #: epochs
    frames: Count | None = None  #: at most, spread over the list; None: all
    #: Shares of what training changed, below 1. Weights that go only so far from those that they
    #: started from are scored too, and kept as the best where they are: 0, which is the start
    #: itself, before the first step, the others after the last one (`weight_blend.py`).
    blends: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = ()
    panels: Annotated[int, Field(ge=0)] = 4  #: frames drawn in TensorBoard


@dataclass(frozen=True)
class RunSection:
    """Bookkeeping."""

    seed: Annotated[int, Field(ge=0)] = 0
    log_every: Count = 10  #: steps
    #: Steps between snapshots to resume from; 0: at the end of each epoch only.
    snapshot_every: Annotated[int, Field(ge=0)] = 500
    half_checkpoints: bool = False  #: weights as float16, for half the size
    tensorboard: bool = True
    description: str = ""  #: one sentence for the checkpoint
    #: Steps without a finite gradient, one after the other in any epochs, after which the run ends.
    patience: Count = 20


@dataclass(frozen=True)
class CameraSection:
    """The camera of the frames, for the checkpoint's record; fine-tuning fills it in."""

    fx: Positive | None = None  #: pixels of the stored images
    fy: Positive | None = None
    cx: float | None = None
    cy: float | None = None
    width: Count | None = None
    height: Count | None = None
    mount_height: Positive | None = None  #: metres above the road
    mount_pitch: float | None = None  #: radians below the horizon


@dataclass(frozen=True)
class TrainConfig:
    """A whole training run."""

    model: ModelSection = field(default_factory=ModelSection)
    data: DataSection = field(default_factory=DataSection)
    crop: CropSettings = field(default_factory=CropSettings)
    augmentation: Augmentation = field(default_factory=Augmentation)
    loss: LossSection = field(default_factory=LossSection)
    optimiser: OptimiserSection = field(default_factory=OptimiserSection)
    compute: ComputeSection = field(default_factory=ComputeSection)
    camera: CameraSection = field(default_factory=CameraSection)
    validation: ValidationSection = field(default_factory=ValidationSection)
    run: RunSection = field(default_factory=RunSection)
