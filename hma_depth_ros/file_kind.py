"""What a file really is that is not what its name promises, told by its first bytes."""

from __future__ import annotations

from pathlib import Path

_HEAD = 512  # bytes; tar's signature is at 257

_PICKLE = (
    "a pickle, as torch.save writes it (.pth, .pt): opening one can run any code, so it is never "
    "opened here; name a .safetensors file that `train` has written"
)
_ARCHIVE = "an archive; unpack it first"
_FILM = "a film; have ffmpeg write its pictures as PNG"
_PHOTOGRAPH = "a photograph in HEIF; save it as PNG or JPEG"
NUMPY_ARRAY = "an array of NumPy"
ROS_1_BAG = "a ROS 1 bag; convert it with `rosbags-convert` first"

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer and not the file itself; run `git lfs pull` in its repository",
    ),
    (
        b"/annex/objects/",
        "a git-annex pointer and not the file itself; run `git annex get` in its repository",
    ),
    (b"\x00\x05\x16\x07", "what macOS keeps beside a file (AppleDouble), without its content"),
    (b"PK\x03\x04", _ARCHIVE),
    (b"\x1f\x8b", _ARCHIVE),
    (b"BZh", _ARCHIVE),
    (b"\xfd7zXZ\x00", _ARCHIVE),
    (b"\x28\xb5\x2f\xfd", _ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (b"Rar!", _ARCHIVE),
    (b"\x1a\x45\xdf\xa3", _FILM),  # Matroska, WebM
    (b"#ROSBAG V", ROS_1_BAG),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"\x93NUMPY", NUMPY_ARRAY),
    (b"%PDF", "a PDF document"),
    *((bytes([0x80, protocol]), _PICKLE) for protocol in range(2, 6)),
)
#: After blanks, in small letters or capitals.
_TEXTS = (
    *(
        (start, "a web page, such as one to sign in, saved in its place; download it again")
        for start in (b"<!doctype html", b"<html", b"<head", b"<body")
    ),
    (b"<?xml", "an XML text, perhaps a server's error saved in its place; download it again"),
)


def known_kind(path: Path) -> str | None:
    """What a file is, with what to do about it, to follow `PATH is `; None: cannot be told.

    Asked after a file could not be read as what it should be.
    """
    if path.is_dir():
        return "a folder"
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return None  # whoever reads it says why
    return kind_of(head)


def kind_of(head: bytes) -> str | None:
    """As `known_kind`, by the first bytes of a file (all of them, if it has fewer than 512)."""
    if not head.strip(b"\0"):
        what = "nothing but zeros, as an interrupted copy leaves it" if head else "empty"
        return f"{what}; copy or download it again"
    # Before all else: an archive of torch.save's is a zip.
    if head.startswith(b"PK\x03\x04") and b"/data.pkl" in head:
        return _PICKLE
    if head[257:262] == b"ustar":
        return _ARCHIVE
    if head[4:8] == b"ftyp":  # of ISO base media files, with the brand that follows
        return _PHOTOGRAPH if head[8:11] in (b"hei", b"hev", b"mif") else _FILM
    if kind := next((kind for start, kind in _BEGINNINGS if head.startswith(start)), None):
        return kind
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((kind for start, kind in _TEXTS if text.startswith(start)), None)
