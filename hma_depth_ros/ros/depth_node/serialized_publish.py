"""Publishing a message that is serialised already, without rclpy's own copy of it.

rclpy copies whatever it publishes before it hands it to rcl: with the 15 MB of a cloud a quarter of
the time. And it holds Python's lock until DDS has its own copies. The ROS client library's
`rcl_publish_serialized_message` takes the bytes where they lie, and `ctypes` calls it without the
lock.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

_LIBRARY = "librcl.so"
_RCL_RET_OK = 0


class _Allocator(ctypes.Structure):
    """rcutils_allocator_t; zeros, since rcl only reads what it is given here."""

    _fields_ = (
        ("allocate", ctypes.c_void_p),
        ("deallocate", ctypes.c_void_p),
        ("reallocate", ctypes.c_void_p),
        ("zero_allocate", ctypes.c_void_p),
        ("state", ctypes.c_void_p),
    )


class _SerializedMessage(ctypes.Structure):
    """rcl_serialized_message_t, which is rcutils_uint8_array_t."""

    _fields_ = (
        ("buffer", ctypes.c_void_p),
        ("buffer_length", ctypes.c_size_t),
        ("buffer_capacity", ctypes.c_size_t),
        ("allocator", _Allocator),
    )


@cache
def _rcl_publish() -> Callable[..., int] | None:
    """The function, or None where the library goes by another name."""
    try:
        function = ctypes.CDLL(_LIBRARY).rcl_publish_serialized_message
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_void_p, ctypes.POINTER(_SerializedMessage), ctypes.c_void_p]
    function.restype = ctypes.c_int
    return function  # type: ignore[no-any-return]


def publish_serialized(publisher: Any, serialized: npt.NDArray[np.uint8]) -> None:
    """Publish one message.

    The bytes may be written again as soon as this returns. A lifecycle publisher that is not active
    publishes nothing.

    Args:
        publisher: of rclpy.
        serialized: the whole message in CDR, contiguous.

    Raises:
        rclpy.exceptions.RCLError, RuntimeError: as `publisher.publish`.

    """
    assert serialized.flags.c_contiguous and serialized.dtype == np.uint8
    if not getattr(publisher, "is_activated", True):
        return
    rcl_publish = _rcl_publish()
    if rcl_publish is not None:
        size = serialized.nbytes
        message = _SerializedMessage(serialized.ctypes.data, size, size, _Allocator())
        with publisher.handle:  # not to be destroyed meanwhile
            result = rcl_publish(publisher.handle.pointer, ctypes.byref(message), None)
        if result == _RCL_RET_OK:
            return
    # rclpy's way; what rcl refuses it refuses again, with rclpy's exception.
    publisher.publish(serialized.tobytes())
