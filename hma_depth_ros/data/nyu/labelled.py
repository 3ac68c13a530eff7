"""NYU Depth v2's labelled file, `nyu_depth_v2_labeled.mat`: 1449 frames in MATLAB's HDF5 form.

MATLAB counts axes the other way round: `images` is (N, 3, 640, 480) for h5py, and an image here is
its transpose (480, 640, 3).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.nyu.mat_elements import plain_arrays
from hma_depth_ros.errors import HmaDepthError, errors_as, one_line
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


#: Of splits.mat, which has 3 kB.
_MOST_BYTES = 1 << 20
#: Frames, and characters of a name, of which the original has 1449 and 15.
_MOST_FRAMES, _MOST_CHARACTERS = 100_000, 100
#: Of an image (W, H): MATLAB's order.
_SIZE = (640, 480)
#: Scenes become folders.
_SCENE = re.compile(r"[A-Za-z0-9_]+")


class LabelledFile:
    """The open file; frames are read when they are asked for.

    HDF5 can do more than hold arrays: links into other files, arrays that are parts of others', and
    sizes of which nothing is stored. The original has none of it, and it is refused.
    """

    def __init__(self, path: Path, file: h5py.File, depth: DepthKind) -> None:
        self._path = path
        with self._odd_file():
            self._open(file, depth)

    def _open(self, file: h5py.File, depth: DepthKind) -> None:
        self._images = self._dataset(file, "images", 4)
        self._depths = self._dataset(file, _DEPTHS[depth], 3)
        count, channels, *size = self._images.shape
        if (
            (channels, *size) != (3, *_SIZE)
            or self._depths.shape != (count, *_SIZE)
            or self._images.dtype.kind not in "ui"
            or self._depths.dtype.kind != "f"
        ):
            raise HmaDepthError(
                f"{self._path}: images {self._images.shape} and depth {self._depths.shape} do not "
                "go together; expected (N, 3, 640, 480) and (N, 640, 480)"
            )
        self._scenes = self._texts(file, "sceneTypes")
        if len(self._scenes) != count:
            raise HmaDepthError(f"{self._path}: {len(self._scenes)} scene types of {count} images")

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
        except (OSError, RuntimeError, ValueError) as error:
            raise HmaDepthError(f"{self._path}: frame {number} is damaged: {error}") from error
        return LabelledFrame(
            number,
            self._scenes[number],
            np.ascontiguousarray(image.transpose(2, 1, 0)),
            np.ascontiguousarray(depth.T, np.float32),
        )

    def _dataset(self, file: h5py.File, name: str, dimensions: int) -> Any:
        import h5py

        found = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
        if (
            isinstance(found, h5py.Dataset)
            and found.ndim == dimensions
            and not (found.external or found.is_virtual)
        ):
            return found
        raise HmaDepthError(
            f"{self._path} has no array '{name}' of {dimensions} dimensions: it is not "
            "nyu_depth_v2_labeled.mat"
        )

    def _texts(self, file: h5py.File, name: str) -> list[str]:
        """A cell array of strings: references to arrays of UTF-16 codes.

        Raises:
            HmaDepthError: it is something else, or one of them names no folder.

        """
        cells = self._dataset(file, name, 2)
        if cells.size > _MOST_FRAMES:
            raise HmaDepthError(f"{self._path}: {cells.size} scene types are too many")
        found = [self._text(file[cell]) for cell in np.ravel(cells)]
        if odd := [text for text in found if not _SCENE.fullmatch(text)]:
            raise HmaDepthError(f"{self._path}: a scene's type cannot be {odd[0]!r}")
        return found

    @staticmethod
    def _text(codes: Any) -> str:
        if codes.size > _MOST_CHARACTERS or codes.external or codes.is_virtual:
            raise ValueError("a text is none")
        return "".join(map(chr, np.ravel(codes)))

    def _odd_file(self) -> AbstractContextManager[None]:
        # h5py answers damaged files, and references to something else, with nearly every kind.
        return errors_as(f"{self._path} is damaged")


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
    except Exception as error:  # of a damaged file not OSError alone
        kind = known_kind(path)
        reason = f"it is {kind}" if kind and "HDF5" not in kind else one_line(error)
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
    if path.is_file() and path.stat().st_size > _MOST_BYTES:
        raise HmaDepthError(f"{path} is too large to be NYU Depth v2's splits.mat")
    try:
        arrays = io.BytesIO(plain_arrays(path.read_bytes(), most=_MOST_BYTES))
        content = loadmat(arrays, variable_names=["trainNdxs", "testNdxs"])
        train, test = (
            np.ravel(content[name]).astype(int) - 1 for name in ("trainNdxs", "testNdxs")
        )
    except Exception as error:  # scipy raises nearly every kind for other files
        kind = known_kind(path)
        reason = f"it is {kind}" if kind else one_line(error)
        raise HmaDepthError(f"{path} is not NYU Depth v2's splits.mat: {reason}") from error
    return train.tolist(), test.tolist()
