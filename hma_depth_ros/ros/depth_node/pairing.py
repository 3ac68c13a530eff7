"""Which CameraInfo belongs to an image."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from sensor_msgs.msg import CameraInfo

try:
    from message_filters import SimpleFilter, TimeSynchronizer
except ImportError:
    from hma_depth_ros.ros.standins import SimpleFilter, TimeSynchronizer

#: Messages of each kind that exact pairing keeps while the other kind is on its way.
EXACT_QUEUE_SIZE = 10


class Pairing(Protocol):
    """Takes both kinds of messages and calls back with pairs."""

    def add_image(self, image: Any) -> None:
        """Take an Image or CompressedImage."""
        ...

    def add_info(self, info: CameraInfo) -> None:
        """Take a CameraInfo."""
        ...

    @property
    def waiting(self) -> int:
        """Images that have not been called back with."""
        ...


#: Receives an image and its calibration, None while none has come.
PairCallback = Callable[[Any, CameraInfo | None], None]


class CachedPairing:
    """Every image at once, with the latest CameraInfo: calibration hardly ever changes."""

    def __init__(self, callback: PairCallback) -> None:
        self._callback = callback
        self._info: CameraInfo | None = None
        self._arrived = threading.Event()

    def add_image(self, image: Any) -> None:
        """Pass the image on."""
        self._callback(image, self._info)

    def add_info(self, info: CameraInfo) -> None:
        """Keep the calibration."""
        self._info = info
        self._arrived.set()

    @property
    def waiting(self) -> int:
        """None ever waits here."""
        return 0

    def wait_for_info(self, seconds: float) -> CameraInfo | None:
        """Return the latest calibration, after waiting for the very first one."""
        self._arrived.wait(seconds)
        return self._info


class ExactPairing:
    """Images with the CameraInfo of the same stamp (message_filters); others go no further.

    `lost` is called for each image that gives up waiting: the synchroniser drops in silence.
    """

    def __init__(self, callback: PairCallback, lost: Callable[[], None]) -> None:
        self._callback = callback
        self._lost = lost
        self._latest_stamp = (0, 0)
        self._waiting: set[tuple[int, int]] = set()  # the stamps in the synchroniser's image queue
        self._start()

    def _start(self) -> None:
        for _ in self._waiting:
            self._lost()
        self._waiting.clear()
        self._images, self._infos = SimpleFilter(), SimpleFilter()
        self._synchronizer = TimeSynchronizer([self._images, self._infos], EXACT_QUEUE_SIZE)
        self._synchronizer.registerCallback(self._paired)

    @property
    def waiting(self) -> int:
        """Images whose calibration may still come."""
        return len(self._waiting)

    def add_image(self, image: Any) -> None:
        """Take an image, which waits for its calibration."""
        self._forget_the_future(image)
        stamp = _stamp(image)
        if stamp in self._waiting:
            self._lost()  # the synchroniser keeps the newer of two images of one stamp
        self._waiting.add(stamp)
        if len(self._waiting) > EXACT_QUEUE_SIZE:
            self._waiting.remove(min(self._waiting))
            self._lost()
        self._images.signalMessage(image)

    def add_info(self, info: CameraInfo) -> None:
        """Take a calibration, which waits for its image."""
        if info.header.stamp.sec < 0:
            return  # no image has such a stamp, and message_filters would raise
        self._forget_the_future(info)
        self._infos.signalMessage(info)

    def _paired(self, image: Any, info: CameraInfo) -> None:
        self._waiting.discard(_stamp(image))
        self._callback(image, info)

    def _forget_the_future(self, message: Any) -> None:
        """Start afresh when a bag has begun again.

        The synchroniser makes room by dropping its oldest stamp; unmatched messages from the end
        of the bag would push out every new one.
        """
        stamp = _stamp(message)
        # The two topics may be out of step by a little.
        if stamp[0] < self._latest_stamp[0] - 1:
            self._start()
            self._latest_stamp = stamp
        self._latest_stamp = max(stamp, self._latest_stamp)


def _stamp(message: Any) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec
