"""The organised `PointCloud2` of a depth image, kept and filled anew for each frame."""

from __future__ import annotations

import sys
from array import array

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from hma_depth_ros.inference.points import CloudLayout


class CloudMessage:
    """A PointCloud2 whose data are a NumPy array to write into.

    15 MB of a 1242x375 frame are neither allocated nor copied again as long as the size stays:
    publishing serialises before it returns.
    """

    def __init__(self, layout: CloudLayout, height: int, width: int) -> None:
        columns = layout.value
        self.layout = layout
        self.message = PointCloud2(
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
        )
        self.message.data = array("B", [0]) * (4 * columns * width * height)
        #: (H, W, columns) float32, a view of the message's data: of its own array, since
        #: assignment may have copied what was assigned.
        self.points: npt.NDArray[np.float32] = np.frombuffer(self.message.data, np.float32).reshape(
            height, width, columns
        )

    def fits(self, layout: CloudLayout, height: int, width: int) -> bool:
        """Whether this message can carry a cloud of that layout and size."""
        return self.layout is layout and self.points.shape[:2] == (height, width)

    def with_header(self, header: Header) -> PointCloud2:
        """Return the message, to be published before the points are written again."""
        self.message.header = header
        return self.message
