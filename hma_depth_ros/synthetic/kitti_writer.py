"""A synthetic drive as a folder of KITTI's raw recordings, with exact depth and labels."""

from __future__ import annotations

import _thread
import os
import re
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.image_file import write_png
from hma_depth_ros.data.kitti.calibration import KittiCalibration
from hma_depth_ros.data.kitti.drive import KittiDrive, format_timestamp
from hma_depth_ros.data.kitti.layout import ANNOTATED_FOLDER, SYNTHETIC_DRIVES
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path
from hma_depth_ros.synthetic import oxts_packets
from hma_depth_ros.synthetic.synthetic_drive import (
    CAMERA,
    FRAME_INTERVAL_NS,
    SyntheticDrive,
    SyntheticFrame,
)

DATE = "2011_09_26"
SEMANTIC_FOLDER = "semantic"


@dataclass(frozen=True)
class _Folders:
    """Where the files of the frames go."""

    images: Path
    scans: Path
    readings: Path
    labels: Path
    depths: Path

    @classmethod
    def of(cls, kitti: KittiDrive, annotated: Path) -> _Folders:
        return cls(
            images=kitti.images(CAMERA).folder / "data",
            scans=kitti.velodyne.folder / "data",
            readings=kitti.oxts.folder / "data",
            labels=kitti.folder / SEMANTIC_FOLDER,
            depths=annotated
            / "train"
            / kitti.name
            / "proj_depth"
            / "groundtruth"
            / f"image_{CAMERA:02d}",
        )


def write_kitti_drive(
    drive: SyntheticDrive,
    root: Path,
    *,
    number: int = 9001,
    processes: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> KittiDrive:
    """Render a drive into KITTI's layout, frame by frame.

    Below `root`, with DRIVE = 2011_09_26_drive_9001_sync::

        2011_09_26/calib_*.txt
        2011_09_26/DRIVE/image_02, velodyne_points, oxts    as in the raw recordings
        2011_09_26/DRIVE/semantic/0000000000.png            Cityscapes ids, as in KITTI semantics
        data_depth_annotated/train/DRIVE/proj_depth/groundtruth/image_02/0000000000.png

    The depth is exact and dense, and unlike KITTI's covers all frames; 0 is the sky and what is
    beyond 255.99 m. A drive of the same number is replaced. Times and calibration are written
    first, so that a drive cut short reads as a partial download.

    Args:
        drive: what to render.
        root: folder of recordings, made if it is not there.
        number: of the drive, 9000 to 9999; all drives of a `root` share one calibration.
        processes: to render with; more than one need a `__main__` that may be imported, as for all
            of Python's multiprocessing.
        progress: called with each frame's number after it is on disk.

    Raises:
        HmaDepthError: a number that a real drive may have, a real drive or one of another camera
            beside it, or a file cannot be written.

    """
    if number not in SYNTHETIC_DRIVES:
        raise HmaDepthError(
            f"synthetic drives have numbers {SYNTHETIC_DRIVES[0]} to {SYNTHETIC_DRIVES[-1]}, "
            f"not {number}, which a real drive may have"
        )
    annotated = root / ANNOTATED_FOLDER
    kitti = KittiDrive(root / DATE / f"{DATE}_drive_{number:04d}_sync", annotated)
    folders = _Folders.of(kitti, annotated)
    _check_neighbours(kitti, drive)
    _remove_frames(folders, from_number=len(drive))
    _write_calibration_and_times(drive, kitti)

    for index in _write_frames(drive, folders, processes):
        progress(index)
    return KittiDrive.open(kitti.folder, annotated_root=annotated)


def _check_neighbours(kitti: KittiDrive, drive: SyntheticDrive) -> None:
    """Refuse to change the calibration under other drives of the day."""
    day = kitti.folder.parent
    others = sorted(path.name for path in day.glob("[!.]*_sync") if path != kitti.folder)
    if any(not re.fullmatch(rf"{DATE}_drive_9\d{{3}}_sync", name) for name in others):
        raise HmaDepthError(f"{day} holds real recordings ({others[0]}); write to another folder")
    if others and not _is_same_camera(kitti.calibration, drive.calibration):
        raise HmaDepthError(
            f"{day} holds {others[0]} with another camera, and the drives of a day share their "
            "calibration; write to another folder"
        )


def _is_same_camera(there: KittiCalibration, ours: KittiCalibration) -> bool:
    theirs, own = (calibration.velodyne_to_camera(CAMERA) for calibration in (there, ours))
    return there.camera(CAMERA) == ours.camera(CAMERA) and np.allclose(
        theirs, own, rtol=0, atol=1e-9
    )


def _remove_frames(folders: _Folders, *, from_number: int) -> None:
    """Remove what a longer drive of the same number has left."""
    for folder in vars(folders).values():
        for path in folder.glob("*.*"):
            if re.fullmatch(r"\d{10}", path.stem) and int(path.stem) >= from_number:
                path.unlink()


def _write_calibration_and_times(drive: SyntheticDrive, kitti: KittiDrive) -> None:
    drive.calibration.write(kitti.folder.parent)
    stamps = [frame.stamp_ns for frame in drive]
    half_turn = FRAME_INTERVAL_NS // 2
    for stream in (kitti.images(CAMERA), kitti.oxts, kitti.velodyne):
        _write_lines(stream.folder / "timestamps.txt", map(format_timestamp, stamps))
    for which, shift in (("start", -half_turn), ("end", half_turn)):
        times = (format_timestamp(stamp + shift) for stamp in stamps)
        _write_lines(kitti.velodyne.folder / f"timestamps_{which}.txt", times)
    _write_lines(kitti.oxts.folder / "dataformat.txt", oxts_packets.DATA_FORMAT.splitlines())


def _write_frame(frame: SyntheticFrame, folders: _Folders) -> None:
    name = f"{frame.index:010d}"
    write_png(folders.images / f"{name}.png", frame.image)
    write_depth_png(folders.depths / f"{name}.png", frame.depth)
    _write_grey(folders.labels / f"{name}.png", frame.labels)
    with atomic_path(folders.scans / f"{name}.bin") as temporary:
        temporary.write_bytes(frame.lidar.astype("<f4").tobytes())
    line = oxts_packets.reading(frame.drive.imu_to_world, frame.time)
    _write_lines(folders.readings / f"{name}.txt", [line])


def _write_frames(drive: SyntheticDrive, folders: _Folders, processes: int) -> Iterator[int]:
    """Render and write all frames; yield their numbers in order, as they are done."""
    if processes == 1:
        for frame in drive:
            _write_frame(frame, folders)
            yield frame.index
        return
    context = get_context("spawn")  # OpenCV's threads do not survive a fork
    # A pipe and no event, which a worker that is killed while it waits would block for ever.
    end_of_workers, end = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        processes, context, initializer=_start_worker, initargs=(drive, folders, end_of_workers)
    )
    # Ctrl-C in the terminal is for this process, which stops its pool; workers inherit the block.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        done = pool.map(_work, range(len(drive)))
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield from done
    finally:
        end.close()
        pool.shutdown(cancel_futures=True)
        end_of_workers.close()


class _Worker:
    """What the frames of a worker process have in common: its copy of the street is built once."""

    def __init__(self, drive: SyntheticDrive, folders: _Folders, pool: Connection) -> None:
        self._drive, self._folders = drive, folders
        self._stopped = self._rendering = False
        signal.signal(signal.SIGINT, self._leave_frame)
        threading.Thread(target=self._watch, args=(pool,), daemon=True).start()

    def write(self, index: int) -> None:
        """Render and write a frame; none after the stop, since a pool cannot cancel its queue."""
        if self._stopped:
            return
        self._rendering = True
        try:
            _write_frame(self._drive.frame(index), self._folders)
        finally:
            self._rendering = False

    def _watch(self, pool: Connection) -> None:
        """Leave the frame under way when the pool is stopped; exit when the parent has died."""
        parent = parent_process()
        assert parent is not None
        wait([pool])  # nothing comes but the end
        self._stopped = True
        _thread.interrupt_main()
        wait([parent.sentinel])
        os._exit(1)

    def _leave_frame(self, _number: int, _frame: FrameType | None) -> None:
        if self._rendering:
            raise KeyboardInterrupt


_worker: _Worker | None = None


def _start_worker(drive: SyntheticDrive, folders: _Folders, pool: Connection) -> None:
    global _worker  # noqa: PLW0603 -- how an executor's workers keep state
    cv2.setNumThreads(1)  # the processes share the cores already
    _worker = _Worker(drive, folders, pool)


def _work(index: int) -> int:
    assert _worker is not None
    _worker.write(index)
    return index


def _write_grey(path: Path, image: npt.NDArray[np.uint8]) -> None:
    with atomic_path(path) as temporary:
        _, encoded = cv2.imencode(".png", image)
        temporary.write_bytes(encoded.tobytes())


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
