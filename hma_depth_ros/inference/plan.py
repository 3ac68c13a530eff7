"""Which part of an image the network sees, and at what size."""

from __future__ import annotations

from dataclasses import dataclass

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.geometry.window import kitti_crop
from hma_depth_ros.network.model_config import SIZE_MULTIPLE

#: Up to which length in pixels the plan enlarges a side: a strip of an image, resized to the
#: network's width, would have thousands of times its pixels, and take all of the memory.
LARGEST_ENLARGED = 8192

#: By which share of its height at most the network's input is stretched or squeezed.
_MOST_STRETCH = 1 / 8


@dataclass(frozen=True)
class Region:
    """A window of the image, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def rows(self) -> slice:
        """Of an array (H, W, ...)."""
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        """Of an array (H, W, ...)."""
        return slice(self.left, self.left + self.width)

    def camera(self, camera: PinholeCamera) -> PinholeCamera:
        """Camera of that part of an image."""
        return camera.crop(left=self.left, top=self.top, width=self.width, height=self.height)


def kitti_benchmark_crop(*, width: int, height: int) -> Region:
    """The 1216x352 window that the KITTI depth benchmark and BTS cut out (`kb crop`).

    Images smaller than that are taken whole.
    """
    crop = kitti_crop(height, width)
    rows, columns = crop.shape
    return Region(left=crop.left, top=crop.top, width=columns, height=rows)


@dataclass(frozen=True)
class InputPlan:
    """Crop, then resize: how an image of `image_size` becomes the network's input.

    What is no multiple of the encoder's 32 then is padded by the network itself, at its right and
    bottom border, where it moves no pixel.
    """

    image_size: tuple[int, int]  #: (H, W)
    region: Region
    network_size: tuple[int, int]  #: (h, w)

    @property
    def is_whole_image(self) -> bool:
        """Whether the region leaves nothing out."""
        return (self.region.height, self.region.width) == self.image_size

    def network_camera(self, camera: PinholeCamera) -> PinholeCamera:
        """Camera of the network's input, of the camera of the whole image.

        Raises:
            HmaDepthError: the camera is for images of another size.

        """
        if (camera.height, camera.width) != self.image_size:
            height, width = self.image_size
            raise HmaDepthError(
                f"the image is {width}x{height}, its calibration {camera.width}x{camera.height}"
            )
        height, width = self.network_size
        return self.region.camera(camera).resize(width=width, height=height)


def plan_input(
    image_size: tuple[int, int], *, region: Region | None = None, input_width: int | None = None
) -> InputPlan:
    """Plan for an image of (H, W); by default the whole image at its own size.

    `input_width` resizes the region to that width, and to the multiple of 32 rows that is nearest
    to its aspect ratio: a network that has seen no padding in training is better off with a few
    percent of stretch, which the camera's fx and fy tell, than with rows that are no image. Where
    the stretch would be more than an eighth the aspect ratio is kept.

    Raises:
        HmaDepthError: the region is empty or reaches beyond the image, or it is so narrow that the
            network's input would become enormous.

    """
    height, width = image_size
    region = region or Region(0, 0, width, height)
    if (
        min(region.left, region.top) < 0
        or min(region.width, region.height) < 1
        or region.left + region.width > width
        or region.top + region.height > height
    ):
        raise HmaDepthError(
            f"region {region.width}x{region.height} at ({region.left}, {region.top}) "
            f"is not inside the {width}x{height} image"
        )
    if input_width is None:
        return InputPlan(image_size, region, (region.height, region.width))
    scaled_height = max(1, round(region.height * input_width / region.width))
    if scaled_height > max(LARGEST_ENLARGED, region.height):
        raise HmaDepthError(
            f"{region.width}x{region.height} pixels would be enlarged to "
            f"{input_width}x{scaled_height} for the network; choose a wider region, or a smaller "
            "input_width"
        )
    return InputPlan(image_size, region, (_whole_blocks(scaled_height), input_width))


def _whole_blocks(rows: int) -> int:
    """The multiple of 32 next to a number of rows, or that number if none is near."""
    blocks = (rows + SIZE_MULTIPLE // 2) // SIZE_MULTIPLE * SIZE_MULTIPLE
    return blocks if abs(blocks - rows) <= _MOST_STRETCH * rows else rows
