"""A bag in, a bag with depth out: no ROS graph, nothing dropped, and a run that can be resumed.

The bag is cut into parts by time. Each part is read, predicted and written by itself, so that any
process may make any of them, in any order, and the result is the same to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin

from hma_depth_ros.bags.bag_cameras import own_namespaces
from hma_depth_ros.bags.prefetch import prefetched
from hma_depth_ros.bags.processing.camera_info_in_time import Calibrations
from hma_depth_ros.bags.processing.cameras_to_process import (
    CALIBRATION_CURES,
    calibration_doubts,
    calibrations_of,
    cameras_to_process,
)
from hma_depth_ros.bags.processing.depth_outputs import DepthOutputs
from hma_depth_ros.bags.processing.output_settings import OutputSettings
from hma_depth_ros.bags.processing.parts_folder import PartsFolder
from hma_depth_ros.bags.processing.silence import span_without_silence
from hma_depth_ros.bags.reader import BagMessage, BagReader
from hma_depth_ros.bags.recorded_qos import offered_qos
from hma_depth_ros.bags.transforms import TF_STATIC_TOPIC
from hma_depth_ros.bags.typestore import TYPESTORE
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.prediction import PredictionRequest
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.inference.together import predict_together
from hma_depth_ros.messages.camera_info import BadCalibrationError
from hma_depth_ros.messages.stamps import header_stamp, stamp_text
from hma_depth_ros.messages.types import TF_MESSAGE

_BILLION = 1_000_000_000
#: Messages that are read and decoded, and predictions that are made, before they are needed.
_AHEAD = 2
#: Messages, such as clouds, that wait for the images of a batch to be complete.
_LONGEST_GROUP = 64


@dataclass(frozen=True)
class ProcessSettings:
    """How a bag is processed."""

    outputs: OutputSettings = field(default_factory=OutputSettings)
    images: tuple[str, ...] = ()  #: topics; all cameras of the bag if empty
    info: str | None = None  #: calibration topic of the one camera
    uncalibrated: bool = False  #: do without calibration: unscaled depth and no cloud
    namespace: str = ""  #: before the names of the topics that are added
    with_inputs: bool = True  #: whether OUT gets all that IN holds; else its transforms only
    batch: int = 1  #: images that go through the network at once
    part_seconds: float = 10.0
    storage: StoragePlugin = StoragePlugin.MCAP
    compressed: bool = False

    def note(self) -> dict[str, Any]:
        """Content as JSON."""
        return {**asdict(self), "storage": self.storage.name}


@dataclass
class ImageCounts:
    """What a process has done."""

    images: int = 0  #: that were looked at
    problems: list[str] = field(default_factory=list)  #: of those that had to be left out


class BagProcess:
    """One bag on its way; a context manager."""

    def __init__(
        self,
        source: Path,
        out: Path,
        predictor: DepthPredictor,
        settings: ProcessSettings,
        *,
        model: Mapping[str, Any],
    ) -> None:
        """Open the bag and its parts_folder.

        Args:
            source: bag to read.
            out: folder of the bag to write.
            predictor: makes depth.
            settings: how.
            model: what the predictor's results depend on, for the note beside unfinished work.

        Raises:
            HmaDepthError: the bag cannot be read, lacks a topic or a calibration, or has a topic
                that would be added; `out` exists, or was begun with other settings.

        """
        self._settings = settings
        self._bag = BagReader(source)
        self._bag.__enter__()
        try:
            self._predictor = predictor
            self._prepare(predictor)
            self._starts = self._plan()
            parts = len(self._starts)
            note = {"bag": _identity(source), "model": dict(model), "options": settings.note()}
            self.parts_folder = PartsFolder(out, parts, note)
        except BaseException:
            self._bag.__exit__(None, None, None)
            raise

    def __enter__(self) -> BagProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bag.__exit__(kind, error, traceback)

    def _prepare(self, predictor: DepthPredictor) -> None:
        settings, bag = self._settings, self._bag
        found = cameras_to_process(
            bag, settings.images, settings.info, calibrated=not settings.uncalibrated
        )
        self.cameras = found.cameras
        self.remarks = [*bag.remarks, *(f"{bag.path}: {remark}" for remark in found.remarks)]
        self._outputs: dict[str, DepthOutputs] = {}
        self._calibrations: dict[str, Calibrations] = {}
        several = len(self.cameras) > 1
        for camera, own in zip(self.cameras, own_namespaces(self.cameras), strict=True):
            namespace = _namespace(settings.namespace, own if several else "")
            if not settings.uncalibrated:
                self._calibrations[camera.image] = calibrations_of(bag, camera)
            outputs = DepthOutputs(
                predictor,
                settings.outputs,
                namespace=namespace,
                calibrated=not settings.uncalibrated,
            )
            for topic in outputs.topics:
                if topic in bag.topics:
                    raise HmaDepthError(
                        f"{bag.path} has a topic {topic} already; choose other names with "
                        "--namespace"
                    )
            self._outputs[camera.image] = outputs
        if not settings.uncalibrated:
            self.remarks += [f"{bag.path}: {doubt}" for doubt in calibration_doubts(bag, found)]
        kept = bag.topics if settings.with_inputs else bag.topics_of(TF_MESSAGE)
        self._copied = [name for name in kept if bag.typestore(name) is not None]
        self.left_out = [name for name in kept if name not in self._copied]

    def _plan(self) -> list[int]:
        """When each part begins, in nanoseconds: a grid in time, less what holds no message.

        Where nothing was recorded nothing is to be done: a clock that is set while recording leaves
        a silence of fifty years.
        """
        stamps = self._bag.stamps({*self._copied, *self._outputs})
        self.seconds = span_without_silence(stamps, longest=self._settings.part_seconds)
        if not stamps.size:
            return [self._bag.start]
        steps = np.unique((stamps - stamps[0]) // self._length)
        return [int(stamps[0]) + int(step) * self._length for step in steps]

    @property
    def _length(self) -> int:
        """Nanoseconds of a part."""
        return max(1, round(self._settings.part_seconds * _BILLION))

    @property
    def images(self) -> int:
        """How many images the bag has."""
        return sum(self._bag.topics[camera.image].count for camera in self.cameras)

    @property
    def images_done(self) -> int:
        """How many images the finished parts have."""
        if self._settings.with_inputs:
            counted = [camera.image for camera in self.cameras]
        else:
            counted = [next(iter(outputs.topics)) for outputs in self._outputs.values()]
        made = self._made(counted)
        return self.images if made is None else made

    @property
    def images_without_depth(self) -> int:
        """How many images of a bag of which all parts are finished have come to nothing."""
        first = [name for outputs in self._outputs.values() for name in list(outputs.topics)[:1]]
        made = self._made(first)
        return 0 if made is None else self.images - made  # else another process says it

    def _made(self, topics: Sequence[str]) -> int | None:
        """How many messages of these topics the finished parts have.

        None if another process has made the bag of the parts meanwhile.
        """
        folder = self.parts_folder
        try:
            parts = [folder.counts(i) for i in range(folder.parts) if folder.finished(i)]
        except HmaDepthError:
            if not folder.out.exists():
                raise
            return None
        return sum(counts.get(topic, 0) for counts in parts for topic in topics)

    def make(self, index: int, counted: ImageCounts, *, progress: Callable[[int], object]) -> None:
        """Make one part, which must be claimed.

        Args:
            index: of the part.
            counted: to add to.
            progress: called with the number of images after each.

        Raises:
            HmaDepthError: the bag is damaged, or the disk is full.

        """
        settings = self._settings
        start = self._starts[index]
        stop = start + self._length
        for calibrations in self._calibrations.values():
            calibrations.move_to(start, stop)
        part = self.parts_folder.part(index)
        with BagWriter(part, storage=settings.storage, compressed=settings.compressed) as out:
            self._declare(out)
            read = prefetched(self._read(start, stop), ahead=_AHEAD)
            made = prefetched(self._predicted(read, counted), ahead=_AHEAD)
            for stamp, messages, is_image in made:
                for topic, cdr in messages:
                    out.write_raw(topic, stamp, cdr)
                if is_image:
                    counted.images += 1
                    progress(1)

    def _declare(self, out: BagWriter) -> None:
        # All parts declare the same topics in the same order, whether they have messages or not.
        for name in self._copied:
            topic = self._bag.topics[name]
            # Converters that record no profile still mean transforms to be latched.
            qos = topic.qos[0] if topic.qos else None
            if name == TF_STATIC_TOPIC:
                qos = offered_qos(depth=1, transient_local=True)
            store = self._bag.typestore(name)
            assert store is not None, name
            out.add_topic(name, topic.type, qos=qos, typestore=store)
        for outputs in self._outputs.values():
            for name, kind in outputs.topics.items():
                out.add_topic(name, kind, typestore=TYPESTORE)

    def _read(self, start: int, stop: int) -> Iterator[tuple[BagMessage, Any]]:
        """Messages, and images decoded, or why they cannot be."""
        wanted = {*self._copied, *self._outputs}
        for raw in self._bag.messages(wanted, start=start, stop=stop):
            image = None
            if raw.topic in self._outputs:
                try:
                    image = self._bag.decode(raw)
                except HmaDepthError as error:
                    image = error
            yield raw, image

    def _predicted(
        self, messages: Iterator[tuple[BagMessage, Any]], counted: ImageCounts
    ) -> Iterator[tuple[int, Sequence[tuple[str, bytes | memoryview]], bool]]:
        """Time, messages to write at it, and whether they belong to an image."""
        copied = set(self._copied)
        for group in _groups(messages, self._settings.batch):
            images = [(raw, image) for raw, image in group if image is not None]
            made = iter(self._depths(images, counted))
            for raw, image in group:
                own = [(raw.topic, raw.data)] if raw.topic in copied else []
                if image is None:
                    yield raw.stamp, own, False
                else:
                    yield raw.stamp, [*own, *next(made)], True

    def _depths(
        self, images: Sequence[tuple[BagMessage, Any]], counted: ImageCounts
    ) -> list[list[tuple[str, bytes | memoryview]]]:
        """Messages for images; none for one that cannot be used."""
        infos: list[Any] = []
        requests: list[PredictionRequest | HmaDepthError] = []
        for raw, image in images:
            topic, info = raw.topic, None
            try:
                if isinstance(image, HmaDepthError):
                    raise image
                if topic in self._calibrations:
                    info = self._calibrations[topic].of(header_stamp(image))
                requests.append(self._outputs[topic].request(image, info))
            except HmaDepthError as error:
                requests.append(error)
            infos.append(info)
        good = [
            (self._predictor, request)
            for request in requests
            if isinstance(request, PredictionRequest)
        ]
        predictions = iter(predict_together(good, most=self._settings.batch))
        made: list[list[tuple[str, bytes | memoryview]]] = []
        for (raw, image), info, request in zip(images, infos, requests, strict=True):
            found = next(predictions) if isinstance(request, PredictionRequest) else request
            if isinstance(found, HmaDepthError):
                self._leave_out(raw, image, found, counted)
                made.append([])
            else:
                made.append(self._outputs[raw.topic].messages(image, info, found))
        return made

    def _leave_out(
        self, raw: BagMessage, image: Any, error: HmaDepthError, counted: ImageCounts
    ) -> None:
        whole = hasattr(image, "header")
        stamp = header_stamp(image) if whole else raw.stamp
        way_out = f"; {CALIBRATION_CURES}" if isinstance(error, BadCalibrationError) else ""
        counted.problems.append(f"{raw.topic} at {stamp_text(stamp)}: {error}{way_out}")


def _groups(
    messages: Iterator[tuple[BagMessage, Any]], images: int
) -> Iterator[list[tuple[BagMessage, Any]]]:
    """Messages in order, cut after so many images each; one by one for one image at a time."""
    group: list[tuple[BagMessage, Any]] = []
    count, longest = 0, 1 if images == 1 else _LONGEST_GROUP
    for message in messages:
        group.append(message)
        count += message[1] is not None
        if count == images or len(group) == longest:
            yield group
            group, count = [], 0
    if group:
        yield group


def _namespace(prefix: str, own: str) -> str:
    """Namespace of outputs; of several cameras each has its own."""
    parts = [*prefix.split("/"), *own.split("/")]
    return "".join(f"/{part}" for part in parts if part)


def _identity(bag: Path) -> dict[str, list[int]]:
    """Files of a bag, with sizes and times of change: what unfinished work belongs to."""
    path = bag.expanduser().absolute()
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return {
        str(file): [(status := file.stat()).st_size, status.st_mtime_ns]
        for file in files
        if file.is_file()
    }
