"""NYU Depth v2's labelled file, `nyu_depth_v2_labeled.mat`: 1449 frames in MATLAB's HDF5 form.

MATLAB counts axes the other way round: `images` is (N, 3, 640, 480) for h5py, and an image here is
its transpose (480, 640, 3).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.file_kind import known_kind

if TYPE_CHECKING:
    import h5py

#: `raw`: as the sensor gave it, projected into the image, 0 where it knew nothing; `filled`: with
#: the holes painted in by the data set's authors.
DepthKind = Literal["raw", "filled"]
DEPTH_KINDS: tuple[DepthKind, ...] = get_args(DepthKind)
_DEPTHS: dict[DepthKind, str] = {"raw": "rawDepths", "filled": "depths"}


@dataclass(frozen=True)
class LabelledFrame:
    """One frame."""

    number: int  #: from 0
    scene: str  #: its type, such as `living_room`
    image: npt.NDArray[np.uint8]  #: (480, 640, 3), RGB
    depth: npt.NDArray[np.float32]  #: (480, 640), metres, 0 unknown


class LabelledFile:
    """The open file; frames are read when they are asked for."""

    def __init__(self, path: Path, file: h5py.File, depth: DepthKind) -> None:
        self._path = path
        self._images = self._dataset(file, "images", 4)
        self._depths = self._dataset(file, _DEPTHS[depth], 3)
        count, channels, width, height = self._images.shape
        if channels != 3 or self._depths.shape != (count, width, height):
            raise HmaDepthError(
                f"{path}: images {self._images.shape} and depth {self._depths.shape} do not go "
                "together; expected (N, 3, 640, 480) and (N, 640, 480)"
            )
        self._scenes = self._texts(file, "sceneTypes")
        if len(self._scenes) != count:
            raise HmaDepthError(f"{path}: {len(self._scenes)} scene types of {count} images")

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._scenes)

    def scene(self, number: int) -> str:
        """Type of a frame's scene."""
        return self._scenes[number]

    def frame(self, number: int) -> LabelledFrame:
        """Frame by number from 0.

        Raises:
            HmaDepthError: the file is damaged there.

        """
        try:
            image, depth = self._images[number], self._depths[number]
        except (OSError, RuntimeError) as error:
            raise HmaDepthError(f"{self._path}: frame {number} is damaged: {error}") from error
        return LabelledFrame(
            number,
            self._scenes[number],
            np.ascontiguousarray(image.transpose(2, 1, 0)),
            np.ascontiguousarray(depth.T, np.float32),
        )

    def _dataset(self, file: h5py.File, name: str, dimensions: int) -> Any:
        if name not in file or getattr(file[name], "ndim", 0) != dimensions:
            raise HmaDepthError(
                f"{self._path} has no array '{name}' of {dimensions} dimensions: it is not "
                "nyu_depth_v2_labeled.mat"
            )
        return file[name]

    def _texts(self, file: h5py.File, name: str) -> list[str]:
        """A cell array of strings: references to arrays of UTF-16 codes."""
        cells = self._dataset(file, name, 2)
        return ["".join(map(chr, np.ravel(file[cell]))) for cell in np.ravel(cells)]


@contextmanager
def open_labelled(path: Path, *, depth: DepthKind = "raw") -> Iterator[LabelledFile]:
    """Open the labelled file.

    Raises:
        HmaDepthError: h5py is not installed, or the file is missing, damaged or another one.

    """
    try:
        import h5py
    except ImportError as error:
        raise HmaDepthError(f"{path} is read through h5py: pip install h5py") from error
    if not path.is_file():
        raise HmaDepthError(f"there is no file {path}")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        kind = known_kind(path)
        reason = f"it is {kind}" if kind and "HDF5" not in kind else str(error)
        raise HmaDepthError(f"{path} is not HDF5, or truncated: {reason}") from error
    with file:
        yield LabelledFile(path, file, depth)


def read_official_split(path: Path) -> tuple[list[int], list[int]]:
    """Numbers (from 0) of training and test frames, of `splits.mat`.

    Raises:
        HmaDepthError: scipy is not installed, or the file is missing, damaged or another one.

    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise HmaDepthError(f"{path} is read through scipy: pip install scipy") from error
    try:
        content = loadmat(path, variable_names=["trainNdxs", "testNdxs"])
        train, test = (
            np.ravel(content[name]).astype(int) - 1 for name in ("trainNdxs", "testNdxs")
        )
    except Exception as error:  # scipy raises nearly every kind for other files
        kind = known_kind(path)
        reason = f"it is {kind}" if kind else str(error)
        raise HmaDepthError(f"{path} is not NYU Depth v2's splits.mat: {reason}") from error
    return train.tolist(), test.tolist()
