"""How large an image may be that is only said to be so: by its file's header, by a calibration.

Decoders make room for all pixels before they have read the first one. A file of 60 bytes that calls
itself 65535x65535 would take 13 GB.
"""

from __future__ import annotations

import io

from PIL import Image, UnidentifiedImageError

#: Of any image: where Pillow stops, too.
MOST_PIXELS = 178_956_970
#: Of an image of which nothing but its size is known.
UNPROVEN_PIXELS = 16 << 20
#: Deflate makes 1032 bytes of one at best, and they may be of eight pixels each.
_PIXELS_A_BYTE = 8 * 1032


def excess(width: int, height: int, stored: int) -> str | None:
    """Why an image is not decoded, to follow `it`; None if it may be.

    Args:
        width: in pixels, by the file's header.
        height: likewise.
        stored: bytes of the file.

    """
    pixels = width * height
    if pixels > MOST_PIXELS:
        return f"says that it is {width}x{height}; {MOST_PIXELS / 1e6:.0f} megapixels are the most"
    if pixels > max(UNPROVEN_PIXELS, _PIXELS_A_BYTE * stored):
        return f"says that it is {width}x{height}, which {stored} bytes cannot hold"
    return None


def encoded_excess(data: bytes) -> str | None:
    """`excess` of an image file in memory; also where its size cannot be told."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return excess(*image.size, len(data))
    except Image.DecompressionBombError:
        return f"says that it is larger than {MOST_PIXELS / 1e6:.0f} megapixels, the most"
    except UnidentifiedImageError:
        return "is of no known kind"
    except Exception as error:  # Pillow's readers raise nearly every kind for damaged files
        return f"is damaged: {' '.join(str(error).split()) or type(error).__name__}"
