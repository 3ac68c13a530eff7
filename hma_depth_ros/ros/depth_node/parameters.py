"""The depth node's parameters: one table of names, defaults, limits and meanings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hma_depth_ros.inference.engines.engine_names import ENGINES, PRECISIONS
from hma_depth_ros.inference.plan import Region
from hma_depth_ros.messages.weight_image import WEIGHT_ENCODINGS
from hma_depth_ros.ros import parameter_table
from hma_depth_ros.ros.depth_node.stall_watch import FIRST_TIMES
from hma_depth_ros.ros.parameter_table import parameter
from hma_depth_ros.ros.parameter_types import ParameterError


@dataclass(frozen=True)
class DepthNodeParameters:
    """Values of all parameters; config/depth_node.yaml lists the same ones for users."""

    autostart: bool = parameter(
        True, "Configure and activate at start, without a lifecycle manager.", read_only=True
    )
    checkpoint: str = parameter(
        "",
        "Checkpoint (.safetensors) or exported file (.onnx, .xml); empty or `bundled` is the "
        "bundled model.",
        live=False,
    )
    device: str = parameter(
        "auto",
        "auto (CUDA where there is one), cpu, cuda, cuda:N; gpu or gpu:N is Intel's, by OpenVINO.",
        live=False,
    )
    engine: str = parameter(
        "auto",
        "What runs the network; auto is PyTorch on CUDA, on the CPU OpenVINO where it is "
        "installed, else PyTorch.",
        choices=ENGINES,
        live=False,
    )
    precision: str = parameter(
        "auto",
        "auto is the fastest that engine and device have: fp16 on CUDA; on the CPU bf16 with "
        "OpenVINO where the CPU has it, else fp32. int8 is of a file exported so.",
        choices=PRECISIONS,
        live=False,
    )
    compile: bool = parameter(
        False,
        "With engine:=torch: optimise the network by torch.compile, which takes minutes while "
        "configuring and at each new input size, and a C++ compiler or Triton.",
        live=False,
    )
    self_check: bool = parameter(
        True,
        "Compare engine and precision with fp32 PyTorch on one frame while configuring; beyond "
        "tolerance fall back to fp32.",
        live=False,
    )
    threads: int = parameter(
        0,
        "CPU threads of the network; 0 leaves the choice to the engine. All else is done in one.",
        limits=(0, 256),
        live=False,
    )
    tune_malloc: bool = parameter(
        False,
        "Let the C library keep large freed blocks (up to 256 MiB more memory): no page faults for "
        "each image and cloud.",
        read_only=True,
    )
    image_transport: str = parameter(
        "raw",
        "raw subscribes to image, compressed to image/compressed.",
        choices=("raw", "compressed"),
        live=False,
        of_camera=True,
    )
    pairing: str = parameter(
        "cached",
        "cached takes the latest camera_info, exact the one with the image's stamp.",
        choices=("cached", "exact"),
        live=False,
        of_camera=True,
    )
    lockstep: bool = parameter(
        False,
        "Process every frame in order, instead of the latest one only: for replay and offline use. "
        "Frames that come faster than they are processed wait in memory.",
        read_only=True,  # as are the QoS override parameters, declared with its default profile
    )
    region: tuple[int, ...] = parameter(
        (0, 0, 0, 0),
        "Part of the image that the network sees, in pixels: left, top, width, height; width 0 is "
        "the whole image.",
        of_camera=True,
    )
    input_width: int = parameter(
        0,
        "Width in pixels that the network's input is resized to, with about its aspect ratio "
        "(rows are the nearest multiple of 32); 0 is the checkpoint's choice.",
        limits=(0, 8192),
        of_camera=True,
    )
    camera_height: float = parameter(
        1.65,
        "Metres of the camera above the road, for networks that take the ground as an input (the "
        "bundled one does); 1.65 is KITTI's.",
        limits=(0.2, 10.0),
        of_camera=True,
    )
    camera_pitch: float = parameter(
        0.0,
        "Radians that the camera looks below the horizon, for the same networks.",
        limits=(-0.7, 0.7),
        of_camera=True,
    )
    depth_scale: float = parameter(
        1.0,
        "Factor on all depth; accuracy_monitor says which one centres the error.",
        limits=(0.1, 10.0),
        of_camera=True,
    )
    scale_from_height: bool = parameter(
        False,
        "Multiply depth by what puts the road in it camera_height below the camera (the median of "
        "the last 50 frames with a road); the diagnostics say it in any case.",
        of_camera=True,
    )
    height_scale_limit: float = parameter(
        2.0,
        "Factor at most, and its inverse at least, of scale_from_height; frames that say otherwise "
        "do not count.",
        limits=(1.05, 4.0),
        of_camera=True,
    )
    ground_frame: str = parameter(
        "",
        "Frame on the ground, such as base_footprint, from which /tf_static says how the camera is "
        "mounted, in place of camera_height and camera_pitch; needs tf2_msgs. Empty: they count.",
        live=False,
        of_camera=True,
    )
    resolution: str = parameter(
        "image",
        "Size of all outputs: image is the image's own, network is that of the network's input.",
        choices=("image", "network"),
        of_camera=True,
    )
    max_range: float = parameter(
        0.0,
        "Metres beyond which depth is published as +Inf (REP 117); 0 keeps every depth.",
        limits=(0.0, 1000.0),
        of_camera=True,
    )
    depth_encoding: str = parameter(
        "32FC1",
        "Of depth/image: 32FC1 in metres or 16UC1 in millimetres (REP 118).",
        choices=("32FC1", "16UC1"),
        of_camera=True,
    )
    mask_encoding: str = parameter(
        "32FC1",
        "Of attention/scale_N and confidence: 32FC1 from 0 to 1, or mono8, a quarter of the size, "
        "where 255 is 1.",
        choices=WEIGHT_ENCODINGS,
        of_camera=True,
    )
    cloud_layout: str = parameter(
        "padded",
        "Of points: padded is 32 bytes a point as PCL has it, packed 16.",
        choices=("padded", "packed"),
        of_camera=True,
    )
    cloud_stride: int = parameter(
        1, "Points: every so many pixels, in rows and columns.", limits=(1, 64), of_camera=True
    )
    min_range: float = parameter(
        0.0,
        "Points: metres along the optical axis that they begin at.",
        limits=(0.0, 1000.0),
        of_camera=True,
    )
    edge_filter: float = parameter(
        1.0,
        "Points: degrees at least between ray and surface; less is the slope that the network "
        "draws between a near and a far thing, points in the air. 0 keeps them.",
        limits=(0.0, 45.0),
        of_camera=True,
    )
    min_confidence: float = parameter(
        0.0,
        "Points: probability at least, in [0, 1], that depth is within a factor of 1.25 of the "
        "true one, for networks that estimate their error (the bundled one does); 0 keeps all.",
        limits=(0.0, 1.0),
        of_camera=True,
    )
    color_range: float = parameter(
        80.0,
        "Metres at the far end of depth/color's colours.",
        limits=(1.0, 1000.0),
        of_camera=True,
    )
    stale_after: float = parameter(
        1.0,
        "Seconds without a usable image after which the diagnostics say 'stale' (ERROR); 0 is "
        "never.",
        limits=(0.0, 3600.0),
        of_camera=True,
    )
    warn_dropped: float = parameter(
        0.5,
        "Share of the images that gave way to newer ones above which the diagnostics say "
        "'overloaded' (WARN); 1 is never.",
        limits=(0.0, 1.0),
        of_camera=True,
    )
    warn_lost: float = parameter(
        0.05,
        "Share of the images lost in transport above which the diagnostics say 'transport_loss' "
        "(WARN); 1 is never.",
        limits=(0.0, 1.0),
        of_camera=True,
    )
    share_window: float = parameter(
        5.0,
        "Seconds that warn_dropped and warn_lost are judged over; at least diagnostics_period.",
        limits=(0.1, 3600.0),
        of_camera=True,
    )
    implausible_frames: int = parameter(
        5,
        "Frames in a row whose depth is unlike that of the training frames after which the "
        "diagnostics say 'implausible' (ERROR), and as many that end it; 0 is never.",
        limits=(0, 1000),
        of_camera=True,
    )
    implausible_beyond: float = parameter(
        0.3,
        "How far outside the range that it had over the training frames a trait of depth must be "
        "for that, in widths of the range.",
        limits=(0.0, 100.0),
        of_camera=True,
    )
    engine_timeout: float = parameter(
        30.0,
        "Seconds without an answer of the network after which the diagnostics say "
        f"'engine_stalled' (ERROR); {FIRST_TIMES} times as long where an engine may be compiling, "
        "as for the first image of a size; 0 is never.",
        limits=(0.0, 3600.0),
    )
    diagnostics_period: float = parameter(
        1.0, "Seconds between two messages on /diagnostics.", limits=(0.05, 60.0), read_only=True
    )
    hardware_id: str = parameter(
        "",
        "Of the diagnostics: what they are about, such as the camera's serial number; empty is the "
        "device that infers.",
        of_camera=True,
    )

    def network_region(self) -> Region | None:
        """`region` as a window, or None for the whole image."""
        left, top, width, height = self.region
        return Region(left, top, width, height) if width else None

    @classmethod
    def check(cls, name: str, value: Any) -> None:
        """Check what a descriptor cannot express; limits and types are rclpy's business.

        Raises:
            ParameterError: naming the parameter and what it may be.

        """
        parameter_table.check_choice(cls, name, value)
        if name == "region" and (
            len(value) != 4 or min(value) < 0 or (value[2] > 0) != (value[3] > 0)
        ):
            raise ParameterError(
                f"{name} is {list(value)}; it must be [left, top, width, height] in pixels, none "
                "negative, with width and height both 0 for the whole image"
            )
