"""RVL, the lossless code for depth of A. D. Wilson, "Fast Lossless Depth Image Compression" (2017).

A stream of numbers, each in nibbles of three bits, the lowest first, whose fourth bit says that
more follow; eight nibbles to a word of 32 bits, from its top. The numbers say in turn how many
pixels are zero, how many after them are not, and how much each of these differs from the last.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hma_depth_ros.messages.image import BadImageError

#: Of the nibbles in a word, in their order.
_SHIFTS = np.arange(28, -4, -4, dtype=np.uint32)
_MORE, _BITS = 8, 3
#: Nibbles of the longest number, a difference of 17 bits.
_LONGEST = 6


def decoded_rvl(data: npt.NDArray[np.uint8], pixels: int) -> npt.NDArray[np.uint16]:
    """Pixels (N,) of what an RVL encoder wrote.

    Raises:
        BadImageError: the data end too early, or go on beyond the last pixel.

    """
    numbers = _numbers(data)
    # Runs alternate, and only their lengths say where the next begins; what is in them is one sum.
    differences = np.zeros(pixels, np.int64)
    filled = np.zeros(pixels, np.bool_)
    place = at = 0
    while place < pixels:
        if at + 1 >= numbers.size:
            raise BadImageError(f"RVL data of {data.size} bytes end at pixel {place} of {pixels}")
        zeros, others = int(numbers[at]), int(numbers[at + 1])
        begin, end = place + zeros, place + zeros + others
        at += 2
        if end > pixels or at + others > numbers.size or end == place:
            raise BadImageError(f"damaged RVL data: a run of {zeros} and {others} at pixel {place}")
        coded = numbers[at : at + others]
        differences[begin:end] = (coded >> 1) ^ -(coded & 1)
        filled[begin:end] = True
        place, at = end, at + others
    return np.where(filled, np.cumsum(differences), 0).astype(np.uint16)


def _numbers(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """All numbers of a stream; the padding of its last word is read as zeros at the end."""
    words = data[: data.size // 4 * 4].view("<u4")
    if not words.size:
        return np.zeros(0, np.int64)
    nibbles = ((words[:, None] >> _SHIFTS) & 15).astype(np.int64).ravel()
    more = nibbles >= _MORE
    starts = np.flatnonzero(~np.concatenate([[False], more[:-1]]))
    lengths = np.diff(np.append(starts, nibbles.size))
    if lengths.max() > 2 * _LONGEST:
        raise BadImageError("damaged RVL data: a number without end")
    within = np.arange(nibbles.size) - np.repeat(starts, lengths)
    bits = (nibbles & (_MORE - 1)) << (_BITS * within)
    return np.add.reduceat(bits, starts)
