"""Where a path of a list may lie under a data folder, and how it may be spelt there."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

#: Of camera images; preferred first, where a frame is there twice.
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")

#: Characters without a width, which are copied unseen: of zero width, joiners, a soft hyphen, BOM.
_UNSEEN = dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x00AD))


def candidates(root: Path, folders: Sequence[str], listed: Path) -> Iterator[Path]:
    """Files that a list may mean by `listed`, in the order to try; `folders` are those under root.

    A path that begins with a slash is absolute, or else, as in some of BTS's lists, under `root`
    all the same.
    """
    if listed.is_absolute():
        yield listed
        listed = listed.relative_to(listed.anchor)
    yield from (root / folder / listed for folder in folders)


def spellings(listed: Path, suffixes: Sequence[str] = ()) -> list[Path]:
    """A listed path as it is, and with the suffixes that its file may have instead.

    Any of `suffixes`, if the listed one is among them or there is none; and each in capitals, as
    some cameras and file systems have it. Then the same with accents written as one character or as
    two (macOS's names are taken apart), and without characters that have no width.
    """
    return [spelt for written in _written(listed) for spelt in _with_suffixes(written, suffixes)]


def _written(listed: Path) -> list[Path]:
    text = str(listed)
    if text.isascii():
        return [listed]
    plain = text.translate(_UNSEEN)
    forms = (unicodedata.normalize(form, plain) for form in ("NFC", "NFD"))
    return [listed, *(Path(form) for form in dict.fromkeys((plain, *forms)) if form != text)]


def _with_suffixes(listed: Path, suffixes: Sequence[str]) -> list[Path]:
    own = listed.suffix
    if not listed.name or (not own and not suffixes):
        return [listed]
    others = suffixes if not own or own.lower() in suffixes else ()
    small = dict.fromkeys((own, own.lower(), *others))
    both = dict.fromkeys((*small, *map(str.upper, small)))
    return [listed.with_suffix(suffix) for suffix in both]


def first_file(root: Path, folders: Sequence[str], names: Iterable[Path]) -> Path | None:
    """The first of the `candidates` for any of the names, in their order, that is a file."""
    paths = (path for name in names for path in candidates(root, folders, name))
    return next((path for path in paths if path.is_file()), None)
