"""What a MAT file of version 5 is made of, looked at before SciPy believes its numbers.

Source: MATLAB, "MAT-File Format", version 5: a header of 128 bytes, then elements, each with its
type and its length; an array is an element of elements (flags, dimensions, name, values).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
#: Classes of arrays of numbers; all others are made of arrays, or of objects.
_NUMBERS = range(6, 16)


def plain_arrays(data: bytes, *, most: int) -> bytes:
    """A MAT file of the same arrays, none of them compressed, in which every length is true.

    Args:
        data: a MAT file.
        most: bytes that it may become.

    Raises:
        ValueError: another version, or it holds more than arrays of numbers.

    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or struct.unpack_from(f"{order}H", data, 124) != (0x0100,):
        raise ValueError("it is no MAT file of version 5")
    found = [data[:_HEADER]]
    for kind, content in _elements(data[_HEADER:], order):
        if kind == _COMPRESSED:
            inside = zlib.decompressobj().decompress(content, most)
            matrices = list(_elements(inside, order))
        else:
            matrices = [(kind, content)]
        for inner, matrix in matrices:
            _check_numbers(inner, matrix, order)
            found.append(struct.pack(f"{order}II", inner, len(matrix)) + matrix)
    return b"".join(found)


def _check_numbers(kind: int, matrix: bytes, order: str) -> None:
    parts = [content for _, content in _elements(matrix, order)] if kind == _MATRIX else []
    if len(parts) != 4 or not parts[0] or parts[0][0 if order == "<" else 3] not in _NUMBERS:
        raise ValueError("it holds something else than arrays of numbers")


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and content of each element, one after the other."""
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            raise ValueError("it ends in the midst of an element")
        kind, length = struct.unpack_from(f"{order}II", data, at)
        if kind >> 16:  # a small one: length, type and up to four bytes in eight
            kind, length = kind & 0xFFFF, kind >> 16
            begin, end = at + 4, at + 8
            if length > 4:
                raise ValueError("a small element is longer than four bytes")
        else:
            begin = at + 8
            # Compressed ones are not filled up to eight bytes.
            end = begin + length + (0 if kind == _COMPRESSED else -length % 8)
        if begin + length > len(data):
            raise ValueError("an element is longer than what holds it")
        yield kind, data[begin : begin + length]
        at = end
