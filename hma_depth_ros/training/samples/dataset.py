"""Frames of a split as training crops."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from hma_depth_ros.data.depth.depth_png import UNITS_PER_METRE
from hma_depth_ros.data.depth.ground_truth import GroundTruth, read_ground_truth
from hma_depth_ros.data.depth.lidar_occlusion import reach_in, without_occluded
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.nyu.layout import without_border
from hma_depth_ros.data.semantic_labels import NO_LABEL, Label, find_labels, read_labels
from hma_depth_ros.data.splits.entry_camera import entry_camera
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera_planes import CameraPlanes, Mount, plane_coefficients
from hma_depth_ros.geometry.window import Window, kitti_crop, whole_image
from hma_depth_ros.network.model_config import LARGEST_INPUT
from hma_depth_ros.training.samples.augmentation import Augmentation, View, blur, change_colours
from hma_depth_ros.training.samples.decoded_frame import DecodedFrame
from hma_depth_ros.training.samples.pasted_boxes import paste_boxes
from hma_depth_ros.training.samples.second_truth import completed, second_truths
from hma_depth_ros.training.samples.spliced_frames import OtherScenes, splice

#: `image` uint8 (3, h, w); `depth` float32 (1, h, w); where asked for `labels` uint8 (1, h, w),
#: `weight` float32 (1, h, w) of each pixel's ground truth, and `planes` float32 (C, 3), the
#: coefficients of the camera's maps.
Sample: TypeAlias = dict[str, Tensor]

#: Part of a frame that is used: all, KITTI's 352x1216, or NYU Depth v2 without its white frame.
Region = Literal["whole", "kb_crop", "nyu_border"]
#: Ground truth of fewer pixels than both is a single scan, which alone has returns that the camera
#: cannot see. KITTI's has some 19,000 in the image: 4 % of its pixels, 17 % at half size.
#: Annotated depth has 90,000 (20 %) and 40,000 (34 %), stereo matching half of all and more.
_SCAN, _SCAN_SHARE = 30_000, 0.25

REGIONS: dict[Region, Callable[[int, int], Window]] = {
    "whole": whole_image,
    "kb_crop": kitti_crop,
    "nyu_border": without_border,
}


@dataclass(frozen=True)
class CropSettings:
    """Geometry of training crops."""

    height: int = 352  #: of the crop: BTS has 352x704 for KITTI, 416x544 for NYU Depth v2
    width: int = 704
    region: Region = (
        "kb_crop"  #: of the frame, before all else; smaller frames are not cut by `kb_crop`
    )
    input_width: int | None = (
        None  #: width that the region is scaled to, as at inference; None: its own
    )
    focal_length: float | None = (
        721.5377  #: at that width, that depth is metric for; None: no matter (indoor)
    )

    #: Metres that pixels labelled as sky are given, where frames have labels (`find_labels`), the
    #: network's largest depth at most; None: no depth. Ground truth leaves the sky out, and a
    #: network that never hears of it builds walls.
    sky: float | None = None

    camera_height: float = 1.65  #: metres above the road, of a network that is told the ground

    @property
    def mount(self) -> Mount:
        """Of the camera at that height, level."""
        return Mount(height=self.camera_height)

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            HmaDepthError: one of them makes no sense.

        """
        sizes = [self.height, self.width]
        sizes += [] if self.input_width is None else [self.input_width]
        if min(sizes) < 1:
            raise HmaDepthError(f"crops cannot be of {self.width}x{self.height} pixels: {self}")
        if (self.input_width or 0) > LARGEST_INPUT:
            raise HmaDepthError(
                f"crop.input_width goes up to {LARGEST_INPUT} pixels, {self.input_width} is more"
            )
        if self.region not in REGIONS:
            raise HmaDepthError(f"no region '{self.region}'; there are {', '.join(REGIONS)}")
        if self.focal_length is not None and not 0 < self.focal_length < np.inf:
            raise HmaDepthError(f"{self.focal_length} is no focal length in pixels")
        if not 0 < self.camera_height < np.inf:
            raise HmaDepthError(f"a camera cannot be {self.camera_height} m above the road")
        if self.sky is not None and not 0 < self.sky < np.inf:
            raise HmaDepthError(f"the sky cannot be {self.sky} m away")


class SampleKey(NamedTuple):
    """Which sample: the same key always gives the same one."""

    epoch: int
    frame: int  #: its place in the list
    turn: int = 0  #: how many times the epoch has had this frame already


class CropDataset(Dataset[Sample]):
    """Crops with depth as the network should say it, by `SampleKey`.

    The network answers for one focal length; ground truth is scaled by focal_length / fx of the
    crop, the inverse of what inference does. 0 means no ground truth, and label 255 no label.

    All that is random follows from seed, epoch and frame, so that neither worker processes nor the
    point at which training was resumed make a difference.
    """

    def __init__(
        self,
        entries: Sequence[SplitEntry],
        settings: CropSettings,
        augmentation: Augmentation,
        *,
        seed: int,
        labels: bool = False,
        units_per_metre: float = UNITS_PER_METRE,
        second: Sequence[str] = (),
        second_weight: float = 0.3,
        occlusion_filter: bool = False,
        geometry: CameraPlanes = "none",
        camera_heights: Mapping[Path, float] | None = None,
        max_depth: float = np.inf,
        cache: bool = False,
    ) -> None:
        """Take the entries with ground truth.

        Args:
            entries: of one list or several, with the paths of files.
            settings: of the crops.
            augmentation: ranges of the random changes.
            seed: not negative.
            labels: whether samples have semantic labels; 255 for frames without (`find_labels`).
            units_per_metre: of depth images.
            second: folders with a second ground truth (`second_truth.py`), by preference.
            second_weight: of a pixel's ground truth from there.
            occlusion_filter: leave out returns of sparse ground truth behind nearer ones.
            geometry: which maps of the camera the network takes.
            camera_heights: metres above the road, by image; where none is told, the settings'.
            max_depth: of the network; what `augmentation.height` puts beyond it has no depth, and
                the sky no more than that.
            cache: read every frame now and keep it; half-size frames of KITTI take 1 MB each.

        Raises:
            HmaDepthError: a file is missing, damaged or of a wrong size, with `cache`.

        """
        self.entries = [entry for entry in entries if entry.depth is not None]
        self.settings = settings
        self.augmentation = augmentation
        self.seed = seed
        self.labels = labels
        self.units_per_metre = units_per_metre
        self.second = tuple(second)
        self.second_weight = second_weight
        self.occlusion_filter = occlusion_filter
        self.geometry = geometry
        if augmentation.height and geometry != "ground":
            raise HmaDepthError(
                f"augmentation.height={augmentation.height:g} is for networks that are told the "
                "height (model.geometry=ground): to others depth would have any scale"
            )
        self.max_depth = max_depth
        told = camera_heights or {}
        self._heights = [told.get(e.image, settings.camera_height) for e in self.entries]
        self._others = OtherScenes(self.entries, self._heights) if augmentation.splice else None
        self._frames: list[DecodedFrame] | None = None
        if cache:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                self._frames = list(pool.map(self.read, self.entries))

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.entries)

    def __getitem__(self, key: SampleKey) -> Sample:
        """Read a frame and take its crop.

        Raises:
            HmaDepthError: a file is missing, damaged or of a wrong size, naming it.

        """
        epoch, index, turn = key
        entry, frame = self.entries[index], self._frame(index)
        # A frame's first turn is what it was before frames had turns.
        source = [self.seed, epoch, index, *([turn] if turn else [])]
        random = np.random.default_rng(source)
        if self._others is not None and random.random() < self.augmentation.splice:
            others = self._others.of(index)
            if others.size:
                frame = splice(frame, self._frame(int(random.choice(others))), random)
        return self.crop(entry, frame, random, camera_height=self._heights[index])

    def _frame(self, index: int) -> DecodedFrame:
        return self.read(self.entries[index]) if self._frames is None else self._frames[index]

    def read(self, entry: SplitEntry) -> DecodedFrame:
        """Read the files of a frame and cut out the region.

        Raises:
            HmaDepthError: a file is missing, damaged or of a wrong size, naming it.

        """
        image = read_rgb(entry.image)
        size = image.shape[:2]
        try:
            window = REGIONS[self.settings.region](*size)
        except HmaDepthError as error:
            raise HmaDepthError(f"{entry.image}: {error}") from None
        depth = labels = weight = None
        if entry.depth is not None:
            depth = read_ground_truth(entry.depth, units_per_metre=self.units_per_metre)
            _check_size(entry.depth, depth, entry, image)
            limit = min(_SCAN, _SCAN_SHARE * depth.size)
            if self.occlusion_filter and np.count_nonzero(depth) < limit:
                depth = without_occluded(depth, reach=reach_in(depth.shape[0]))
            if self.second:
                depth, weight = completed(
                    depth,
                    second_truths(entry.image, self.second),
                    weight=self.second_weight,
                    units_per_metre=self.units_per_metre,
                )
                weight = window.of(weight)
            depth = window.of(depth)
        wanted = self.labels or self.settings.sky is not None
        path = find_labels(entry.image) if wanted else None
        if path is not None:
            labels = read_labels(path)
            _check_size(path, labels, entry, image)
            labels = window.of(labels)
            if self.settings.sky is not None and depth is not None:
                depth = np.where(labels == Label.SKY, np.float32(self.settings.sky), depth)
        camera = None
        if self.geometry != "none" or self.augmentation.pitch:
            # Not for nothing: it looks for calibration files.
            camera = window.camera(entry_camera(entry, size).camera)
        return DecodedFrame(window.of(image), depth, labels, weight, camera)

    def crop(
        self,
        entry: SplitEntry,
        frame: DecodedFrame,
        random: np.random.Generator,
        *,
        camera_height: float | None = None,
    ) -> Sample:
        """Draw a crop of a frame; `camera_height` None is the settings'."""
        settings, augmentation = self.settings, self.augmentation
        rows, columns = frame.image.shape[:2]
        size = settings.height, settings.width
        if augmentation.boxes and random.random() < augmentation.boxes:
            frame = _with_boxes(frame, entry.focal_length, random)
        larger = 1.0
        if augmentation.height and random.random() < augmentation.height:
            larger = float(np.exp(random.uniform(*np.log(augmentation.height_factor))))
        view = View.random(
            (rows, columns),
            size,
            augmentation,
            random,
            width=settings.input_width,
            camera=frame.camera,
        )
        image = change_colours(view.image(frame.image), augmentation, random)
        image = blur(image, augmentation, random)
        depth: npt.NDArray[np.float32] = np.zeros(size, np.float32)
        if frame.depth is not None:
            depth = self._depth(frame.depth, view, entry.focal_length, larger)
        sample = {"image": _planes(image), "depth": torch.from_numpy(depth)[None]}
        if self.second:
            # Every sample of a batch has weights, those without ground truth too.
            weight: npt.NDArray[np.float32] = np.ones(size, np.float32)
            if frame.weight is not None:
                weight = view.nearest(frame.weight, outside=0)
            sample["weight"] = torch.from_numpy(weight)[None]
        if self.geometry != "none":
            height = settings.camera_height if camera_height is None else camera_height
            mount = Mount(height * larger, float(np.radians(view.pitch)))
            coefficients = plane_coefficients(
                self.geometry,
                view.crop_camera,
                focal_length=settings.focal_length,
                mount=mount,
            )
            sample["planes"] = torch.from_numpy(coefficients)
        if self.labels:
            labels: npt.NDArray[np.uint8] = np.full(size, NO_LABEL, np.uint8)
            if frame.labels is not None:
                labels = view.nearest(frame.labels, outside=NO_LABEL)
            sample["labels"] = torch.from_numpy(labels)[None]
        return sample

    def _depth(
        self,
        known: npt.NDArray[np.float32],
        view: View,
        focal_length: float,
        larger: float,
    ) -> npt.NDArray[np.float32]:
        """Depth (h, w) of a crop as the network should say it, of a world so much larger.

        Args:
            known: (H, W) of the frame, metres; the sky, which grows with no world, is as far as the
                settings say.
            view: the crop.
            focal_length: of the frame.
            larger: factor of all depth but the sky's.

        """
        settings = self.settings
        depth = view.depth(known)
        if settings.focal_length is not None:
            depth *= np.float32(settings.focal_length / (focal_length * view.scale))
        world = depth * np.float32(larger)
        if larger > 1:
            world[world > self.max_depth] = 0
        if settings.sky is None or not (sky := known == np.float32(settings.sky)).any():
            return world
        in_sky = view.nearest(sky.astype(np.uint8), outside=0)
        return np.where(in_sky, np.minimum(depth, np.float32(self.max_depth)), world)


def _with_boxes(
    frame: DecodedFrame, focal_length: float, random: np.random.Generator
) -> DecodedFrame:
    if frame.depth is None:
        return frame
    image, depth, pasted = paste_boxes(frame.image, frame.depth, focal_length, random)
    labels = None if frame.labels is None else np.where(pasted, NO_LABEL, frame.labels)
    weight = None if frame.weight is None else np.where(pasted, np.float32(1), frame.weight)
    return frame._replace(
        image=image,
        depth=depth,
        labels=None if labels is None else labels.astype(np.uint8),
        weight=weight,
    )


def _check_size(
    path: GroundTruth, found: npt.NDArray, entry: SplitEntry, image: npt.NDArray
) -> None:
    if found.shape != image.shape[:2]:
        raise HmaDepthError(
            f"{path} is {found.shape[1]}x{found.shape[0]}, "
            f"its image {entry.image} {image.shape[1]}x{image.shape[0]}"
        )


def _planes(image: npt.NDArray[np.uint8]) -> Tensor:
    """Tensor (3, h, w) of an image (h, w, 3); OpenCV's split is faster than torch's permute."""
    planes = np.empty((3, *image.shape[:2]), np.uint8)
    cv2.mixChannels([image], list(planes), [0, 0, 1, 1, 2, 2])
    return torch.from_numpy(planes)
