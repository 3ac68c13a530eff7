"""Keeps predictions in a folder, so that an interrupted evaluation goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from hma_depth_ros.data.depth.stored_depth import SUFFIXES, read_stored_depth, write_stored_depth
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.cleanup import quantise
from hma_depth_ros.evaluation.evaluated_frames import EvaluatedFrame
from hma_depth_ros.evaluation.prediction_sources import (
    UNCERTAINTY_FOLDER,
    Found,
    PredictedDepth,
    PredictionSource,
    ShownPrediction,
    read_uncertainty,
)
from hma_depth_ros.evaluation.protocols import View
from hma_depth_ros.files import atomic_path
from hma_depth_ros.structured_text import parse_json

_SETTINGS, _CAMERAS = "predictions.json", "cameras.json"
#: Predictions of the crop lie in the folder itself, where BTS's tools look for them.
_FOLDERS: dict[View, str] = {"crop": "", "image": "whole_image"}


class CachedPredictions(PredictionSource):
    """Another source's predictions, read from a folder where they are there, else written to it.

    What is scored is always what the files hold. PNG are cut down to a unit as BTS's are; npy keep
    every bit. Files of either kind are reused. An uncertainty is kept beside, as npy.
    """

    def __init__(
        self,
        source: PredictionSource,
        folder: Path,
        *,
        settings: dict[str, str | bool],
        cameras: Mapping[str, Sequence[float]],
        units_per_metre: float,
        file_format: Literal["npy", "png"] = "npy",
        uncertainty: bool = False,
    ) -> None:
        """Open or make the folder.

        Args:
            source: makes the predictions that are not there.
            folder: to keep them in.
            settings: what all predictions depend on, noted in the folder's predictions.json.
            cameras: as lists give them, in pixels, by frame; noted in its cameras.json.
            units_per_metre: of PNG files.
            file_format: of new files.
            uncertainty: the source gives it, and it is wanted.

        Raises:
            HmaDepthError: the folder's predictions were made with other settings or cameras, or do
                not say with which.

        """
        self._source = source
        self._folder = folder
        self._suffix = f".{file_format}"
        self._units = units_per_metre
        self._uncertainty = uncertainty
        note = folder / _SETTINGS
        if note.exists():
            noted = _read(note)
            if noted != settings:
                raise HmaDepthError(
                    f"{folder} holds predictions made with {noted}, not {settings}; "
                    "name another folder with --predictions-dir"
                )
        elif count := self.count():
            raise HmaDepthError(
                f"{folder} holds predictions ({count}) and no {_SETTINGS} to say what made them: "
                f"score them by --predictions {folder}, or name another folder with "
                "--predictions-dir"
            )
        else:
            _write(note, settings)
        self._note_cameras(cameras)

    def _note_cameras(self, cameras: Mapping[str, Sequence[float]]) -> None:
        """Note the cameras of frames that are new, and refuse those that have changed."""
        note = self._folder / _CAMERAS
        noted = _read(note) if note.exists() else {}
        given = {name: list(camera) for name, camera in cameras.items()}
        changed = [name for name, camera in given.items() if noted.get(name, camera) != camera]
        if changed:
            first = changed[0]
            raise HmaDepthError(
                f"{self._folder} holds predictions of {len(changed)} frames made with other "
                f"cameras, the first {first} with {noted[first]}, not {given[first]}; name another "
                "folder with --predictions-dir"
            )
        if given.keys() - noted.keys():
            _write(note, {**noted, **given})

    def count(self) -> int:
        """Predictions that are there."""
        files = self._folder.rglob("[!.]*")  # without what an interrupted run had half written
        depths = (path for path in files if path.parent.name != UNCERTAINTY_FOLDER)
        return sum(path.suffix in SUFFIXES for path in depths)

    def predictions(
        self, frame: EvaluatedFrame, views: Collection[View]
    ) -> dict[View, PredictedDepth]:
        """See `PredictionSource`."""
        (found,) = self.several([frame], views)
        if isinstance(found, HmaDepthError):
            raise found
        return found

    def several(self, frames: Sequence[EvaluatedFrame], views: Collection[View]) -> list[Found]:
        """See `PredictionSource`: those that are not there are made together."""
        failed = self._make(frames, views)
        found: list[Found] = []
        for frame in frames:
            try:
                if frame.name in failed:
                    raise failed[frame.name]
                found.append({view: self._stored(*self._files(frame, view)) for view in views})
            except HmaDepthError as error:
                found.append(error)
        return found

    def _make(
        self, frames: Sequence[EvaluatedFrame], views: Collection[View]
    ) -> dict[str, HmaDepthError]:
        """Write the predictions that are not there; return by frame why some cannot be had."""
        lacking: dict[tuple[View, ...], list[EvaluatedFrame]] = {}
        for frame in frames:
            missing = [v for v in views if not all(p.exists() for p in self._files(frame, v))]
            if missing:
                lacking.setdefault(tuple(missing), []).append(frame)
        failed = {}
        for missing_views, its in lacking.items():
            made = self._source.several(its, missing_views)
            for frame, found in zip(its, made, strict=True):
                if isinstance(found, HmaDepthError):
                    failed[frame.name] = found
                    continue
                for view, prediction in found.items():
                    self._write(prediction, *self._files(frame, view))
        return failed

    def _write(self, found: PredictedDepth, path: Path, uncertainty: Path | None = None) -> None:
        if uncertainty is not None:
            assert found.uncertainty is not None
            write_stored_depth(uncertainty, found.uncertainty)
        depth = found.depth
        if path.suffix == ".png":
            depth = quantise(depth, units_per_metre=self._units)
        write_stored_depth(path, depth, units_per_metre=self._units)

    def shown(self, frame: EvaluatedFrame, view: View) -> ShownPrediction:
        """See `PredictionSource`: the depth that is kept, and the network's masks of now."""
        return replace(
            self._source.shown(frame, view), depth=self.predictions(frame, {view})[view].depth
        )

    def _stored(self, path: Path, uncertainty: Path | None = None) -> PredictedDepth:
        try:
            depth = read_stored_depth(path, units_per_metre=self._units)
            sigma = None if uncertainty is None else read_uncertainty(uncertainty, depth)
        except HmaDepthError as error:
            raise HmaDepthError(f"{error}; delete it, and it is predicted anew") from error
        return PredictedDepth(depth, sigma)

    def _files(self, frame: EvaluatedFrame, view: View) -> list[Path]:
        """Of the depth, and of the uncertainty where it is wanted."""
        folder = self._folder / _FOLDERS[view]
        files = [folder / f"{frame.name}{suffix}" for suffix in SUFFIXES]
        own = folder / f"{frame.name}{self._suffix}"
        depth = next((path for path in files if path.exists()), own)
        beside = [folder / UNCERTAINTY_FOLDER / f"{frame.name}.npy"] if self._uncertainty else []
        return [depth, *beside]


def _read(note: Path) -> dict[str, Any]:
    try:
        content = parse_json(note.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HmaDepthError(f"cannot read {note}: {error}") from error
    if not isinstance(content, dict):
        raise HmaDepthError(f"cannot read {note}: it holds no settings by name")
    return content


def _write(note: Path, content: Mapping[str, Any]) -> None:
    with atomic_path(note) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
