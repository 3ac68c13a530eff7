"""Which CameraInfo belongs to an image."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from sensor_msgs.msg import CameraInfo

try:
    from message_filters import SimpleFilter, TimeSynchronizer
except ImportError:
    from hma_depth_ros.ros.standins import SimpleFilter, TimeSynchronizer

#: How long the first images wait for the first CameraInfo, if somebody publishes one.
FIRST_INFO_SECONDS = 1.0
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

    def look(self) -> None:
        """See to what waits; to be called now and then."""
        ...

    @property
    def latest(self) -> CameraInfo | None:
        """The CameraInfo of images that have none of their own yet, if any; for any thread."""
        ...

    @property
    def waiting(self) -> int:
        """Images that have not been called back with."""
        ...


#: Receives an image and its calibration, None while none has come.
PairCallback = Callable[[Any, CameraInfo | None], None]


class CachedPairing:
    """Every image at once, with the latest CameraInfo: calibration hardly ever changes.

    Only the first images wait for the first CameraInfo, if somebody publishes one: both topics have
    just begun, and an unscaled first depth image would be a wrong one.
    """

    def __init__(
        self,
        callback: PairCallback,
        *,
        expected: Callable[[], bool],
        replaced: Callable[[], None] | None,
    ) -> None:
        """Know of no CameraInfo yet.

        Args:
            callback: takes the pairs.
            expected: whether somebody publishes CameraInfos.
            replaced: is called for an image that waited when a newer one came; None: all wait.

        """
        self._callback = callback
        self._expected, self._replaced = expected, replaced
        self._info: CameraInfo | None = None
        self._images: deque[Any] = deque()  # that wait
        self._until: float | None = None  # time.monotonic() at which the first ones have waited

    def add_image(self, image: Any) -> None:
        """Pass the image on, or let it wait."""
        if self._info is None and self._until is None and self._expected():
            self._until = time.monotonic() + FIRST_INFO_SECONDS
        if self._info is not None or self._until is None or time.monotonic() >= self._until:
            self._pass_on()
            self._callback(image, self._info)
            return
        if self._images and self._replaced is not None:
            self._images.clear()
            self._replaced()
        self._images.append(image)

    def add_info(self, info: CameraInfo) -> None:
        """Keep the calibration."""
        self._info = info
        self._pass_on()

    def look(self) -> None:
        """Pass on what has waited for long enough; to be called now and then."""
        if self._until is not None and time.monotonic() >= self._until:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._images:
            self._callback(self._images.popleft(), self._info)

    @property
    def latest(self) -> CameraInfo | None:
        """The latest calibration; for any thread."""
        return self._info

    @property
    def waiting(self) -> int:
        """Images that wait for the first calibration."""
        return len(self._images)


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

    def look(self) -> None:
        """Nothing waits for a time here."""

    @property
    def latest(self) -> CameraInfo | None:
        """Only one of its stamp is an image's."""
        return None

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
