"""Messages with large data, kept in serialised form: NumPy writes where DDS reads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image, PointCloud2, PointField
from std_msgs.msg import Header

from hma_depth_ros.inference.points import CloudLayout

#: Gives so many bytes of memory, zeros, that a device may copy to.
Allocate = Callable[[int], npt.NDArray[np.uint8]]

#: Bytes before the data that a message's other fields may take; more cost a copy.
_ROOM = 1024
#: Of the data's address: a cache line, and what vector instructions like.
_ALIGNMENT = 64
#: Data that nothing else in a message looks like, not even the padding, which is not initialised.
_MARK = bytes(range(0xE0, 0x100))
#: Of the sequence's length, which stands right before the data in CDR.
_LENGTH = np.dtype(np.uint32)


class BulkMessage:
    """A message of which only the header changes, and the data.

    `data` lie within a block of memory between what CDR puts before and after them. So a frame is
    neither copied into a message nor serialised: publishing it takes only DDS's own copies.
    """

    def __init__(self, message: Any, data: npt.NDArray[np.uint8], room: npt.NDArray[np.uint8]):
        """Wrap memory.

        Args:
            message: Image or PointCloud2 with all fields but the data, which stay empty.
            data: bytes of the data, contiguous.
            room: contiguous memory around them, `_ROOM` bytes or more before them and
                `_ALIGNMENT` or more after them.

        """
        self.message = message
        self._data = data
        self._room = room
        self._offset = data.ctypes.data - room.ctypes.data
        self._tail = _bytes_after_data(message)

    def serialized(self, header: Header) -> npt.NDArray[np.uint8]:
        """The whole message in CDR under `header`, valid until the next call; a view, as a rule."""
        self.message.header = header
        # With empty data: all that comes before, a length of zero, all that comes after.
        empty = np.frombuffer(serialize_message(self.message), np.uint8)
        size = empty.size - self._tail
        length = np.array([self._data.size], _LENGTH).view(np.uint8)
        before, after = np.concatenate([empty[: size - length.size], length]), empty[size:]
        if size > self._offset:  # a frame_id that long
            return np.concatenate([before, self._data, after])
        start, stop = self._offset - size, self._offset + self._data.size
        self._room[start : self._offset] = before
        self._room[stop : stop + self._tail] = after
        return self._room[start : stop + self._tail]


def _bytes_after_data(message: Any) -> int:
    """How many bytes follow the data in CDR."""
    message.data.frombytes(_MARK)
    marked = serialize_message(message)
    del message.data[:]
    return len(marked) - marked.index(_MARK) - len(_MARK)


class BulkImages:
    """Images of one size, such as all masks, and the array that they are views of."""

    def __init__(
        self,
        allocate: Allocate,
        count: int,
        height: int,
        width: int,
        encoding: str,
    ) -> None:
        """Make the messages.

        Args:
            allocate: their memory.
            count: how many.
            height: of each, in pixels.
            width: of each, in pixels.
            encoding: 32FC1, 16UC1, mono8 or rgb8.

        """
        kind, channels = _PIXELS[encoding]
        shape = (height, width) if channels == 1 else (height, width, channels)
        rooms, planes = _rooms(allocate, count, kind.itemsize * height * width * channels)
        #: (count, H, W), or (count, H, W, C) of several channels.
        self.pixels: npt.NDArray[Any] = planes.view(kind).reshape(count, *shape)
        self.messages = [
            BulkMessage(
                Image(
                    height=height,
                    width=width,
                    encoding=encoding,
                    is_bigendian=sys.byteorder == "big",
                    step=kind.itemsize * width * channels,
                ),
                data,
                room,
            )
            for data, room in zip(planes, rooms, strict=True)
        ]


class BulkCloud:
    """The organised PointCloud2 of a depth image."""

    def __init__(self, allocate: Allocate, layout: CloudLayout, height: int, width: int) -> None:
        columns = layout.value
        rooms, planes = _rooms(allocate, 1, 4 * columns * width * height)
        #: (H, W, columns) float32; zeros at first, for the padding.
        self.points: npt.NDArray[np.float32] = planes.view(np.float32).reshape(
            height, width, columns
        )
        self.message = BulkMessage(
            PointCloud2(
                height=height,
                width=width,
                fields=[
                    PointField(name=name, offset=4 * column, datatype=PointField.FLOAT32, count=1)
                    for name, column in (("x", 0), ("y", 1), ("z", 2), ("rgb", layout.color_column))
                ],
                is_bigendian=sys.byteorder == "big",
                point_step=4 * columns,
                row_step=4 * columns * width,
                is_dense=False,
            ),
            planes[0],
            rooms[0],
        )


#: Type and channels of the encodings that the node publishes.
_PIXELS: dict[str, tuple[np.dtype[Any], int]] = {
    "32FC1": (np.dtype(np.float32), 1),
    "16UC1": (np.dtype(np.uint16), 1),
    "mono8": (np.dtype(np.uint8), 1),
    "rgb8": (np.dtype(np.uint8), 3),
}


def _rooms(
    allocate: Allocate, count: int, size: int
) -> tuple[Sequence[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]:
    """Memory for `count` messages with `size` bytes of data each: rooms, and data (count, size)."""
    stride = _ROOM + size + _ALIGNMENT
    stride += -stride % _ALIGNMENT
    block = allocate(count * stride + _ALIGNMENT)
    block = block[-block.ctypes.data % _ALIGNMENT :]
    rooms = block[: count * stride].reshape(count, stride)
    return list(rooms), rooms[:, _ROOM : _ROOM + size]
