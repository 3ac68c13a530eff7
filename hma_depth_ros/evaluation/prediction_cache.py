"""Keeps predictions in a folder, so that an interrupted evaluation goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from hma_depth_ros.data.stored_depth import SUFFIXES, read_stored_depth, write_stored_depth
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.cleanup import quantise
from hma_depth_ros.evaluation.frames import Frame
from hma_depth_ros.evaluation.protocols import View
from hma_depth_ros.evaluation.sources import Depth, PredictionSource
from hma_depth_ros.files import atomic_path

_SETTINGS = "predictions.json"
#: Predictions of the crop lie in the folder itself, where BTS's tools look for them.
_FOLDERS: dict[View, str] = {"crop": "", "image": "whole_image"}


class CachedPredictions:
    """Another source's predictions, read from a folder where they are there, else written to it.

    What is scored is always what the files hold. PNG are cut down to a unit as BTS's are; npy keep
    every bit. Files of either kind are reused.
    """

    def __init__(
        self,
        source: PredictionSource,
        folder: Path,
        *,
        settings: dict[str, str | bool],
        units_per_metre: float,
        file_format: Literal["npy", "png"] = "npy",
    ) -> None:
        """Open or make the folder.

        Args:
            source: makes the predictions that are not there.
            folder: to keep them in.
            settings: what the predictions depend on, noted in the folder's predictions.json.
            units_per_metre: of PNG files.
            file_format: of new files.

        Raises:
            HmaDepthError: the folder's predictions were made with other settings.

        """
        self._source = source
        self._folder = folder
        self._suffix = f".{file_format}"
        self._units = units_per_metre
        note = folder / _SETTINGS
        if note.exists():
            try:
                noted = json.loads(note.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise HmaDepthError(f"cannot read {note}: {error}") from error
            if noted != settings:
                raise HmaDepthError(
                    f"{folder} holds predictions made with {noted}, not {settings}; "
                    "name another folder with --predictions-dir"
                )
            return
        # Without a note the predictions are the user's own, and it is not for us to claim them.
        if not self.count():
            with atomic_path(note) as temporary:
                temporary.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")

    def count(self) -> int:
        """Predictions that are there."""
        files = self._folder.rglob("[!.]*")  # without what an interrupted run had half written
        return sum(path.suffix in SUFFIXES for path in files)

    def depths(self, frame: Frame, views: Collection[View]) -> dict[View, Depth]:
        """See `PredictionSource`."""
        files = {view: self._file(frame, view) for view in views}
        lacking = [view for view, path in files.items() if not path.exists()]
        if lacking:
            for view, depth in self._source.depths(frame, lacking).items():
                is_png = self._suffix == ".png"
                as_stored = quantise(depth, units_per_metre=self._units) if is_png else depth
                write_stored_depth(files[view], as_stored, units_per_metre=self._units)
        return {view: self._stored(path) for view, path in files.items()}

    def _stored(self, path: Path) -> Depth:
        try:
            return read_stored_depth(path, units_per_metre=self._units)
        except HmaDepthError as error:
            raise HmaDepthError(f"{error}; delete it, and it is predicted anew") from error

    def _file(self, frame: Frame, view: View) -> Path:
        folder = self._folder / _FOLDERS[view]
        files = [folder / f"{frame.name}{suffix}" for suffix in SUFFIXES]
        own = folder / f"{frame.name}{self._suffix}"
        return next((path for path in files if path.exists()), own)
