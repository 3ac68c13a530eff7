"""Whether a JPEG is whole, which not every OpenCV says.

Up to 4.10 it returns a truncated JPEG as if it were a picture; the rest is grey, or what was
decoded before. (ITU-T T.81, annex B, for the markers.)
"""

from __future__ import annotations

BEGIN, _END = b"\xff\xd8", b"\xff\xd9"
#: Padding that cameras leave behind the end of a picture, searched without looking at all of it.
_TAIL = 4096
_SCAN = 0xDA
#: Within a scan: 0xFF as data, and the restart markers.
_OF_SCANS = {0x00, *range(0xD0, 0xD8)}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}


def jpeg_is_whole(data: bytes) -> bool:
    """Whether a JPEG goes on to its end marker; anything may follow that."""
    return data[-_TAIL:].rstrip(b"\x00").endswith(_END) or _reaches_end(data)


def _reaches_end(data: bytes) -> bool:
    """Walk the segments: the thumbnail in a header has an end marker too."""
    at = len(BEGIN)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == _END[1]:
            return True
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        at += 2
        if marker not in _WITHOUT_LENGTH:
            at += int.from_bytes(data[at : at + 2], "big")
        if marker == _SCAN:
            at = data.find(b"\xff", at)
            while 0 <= at < len(data) - 1 and data[at + 1] in _OF_SCANS:
                at = data.find(b"\xff", at + 2)
            if at < 0:
                return False
    return data[at : at + 2] == _END
