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

    def wait_for_info(self, seconds: float) -> CameraInfo | None:
        """Return the latest calibration, after waiting for the very first one."""
        self._arrived.wait(seconds)
        return self._info


class ExactPairing:
    """Images with the CameraInfo of the same stamp (message_filters); others go no further."""

    def __init__(self, callback: PairCallback) -> None:
        self._callback = callback
        self._latest_stamp = (0, 0)
        self._start()

    def _start(self) -> None:
        self._images, self._infos = SimpleFilter(), SimpleFilter()
        self._synchronizer = TimeSynchronizer([self._images, self._infos], EXACT_QUEUE_SIZE)
        self._synchronizer.registerCallback(self._callback)

    def add_image(self, image: Any) -> None:
        """Take an image, which waits for its calibration."""
        self._forget_the_future(image)
        self._images.signalMessage(image)

    def add_info(self, info: CameraInfo) -> None:
        """Take a calibration, which waits for its image."""
        self._forget_the_future(info)
        self._infos.signalMessage(info)

    def _forget_the_future(self, message: Any) -> None:
        """Start afresh when a bag has begun again.

        The synchroniser makes room by dropping its oldest stamp; unmatched messages from the end
        of the bag would push out every new one.
        """
        stamp = (message.header.stamp.sec, message.header.stamp.nanosec)
        # The two topics may be out of step by a little.
        if stamp[0] < self._latest_stamp[0] - 1:
            self._start()
            self._latest_stamp = stamp
        self._latest_stamp = max(stamp, self._latest_stamp)
