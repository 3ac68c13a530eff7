"""Good inputs with some bytes changed, for everything that reads bytes from outside."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .guard import survives
from .targets import TARGETS

#: What numbers of a header become: nothing, the sign, the most of each size.
_VALUES = [*(bytes([n]) for n in (0, 0x7F, 0x80, 0xFF, 10)), b"\xff" * 4, b"\xff" * 8, b"9" * 9]


@cache
def seeds(name: str) -> list[bytes]:
    """Good inputs, read once: what is made once does not count for the first damaged one."""
    found = TARGETS[name].seeds()
    for seed in found:
        survives(lambda seed=seed: TARGETS[name].read(seed))  # type: ignore[misc]
    return found


#: Where (a share of the length, most often near the beginning), what, and whether in place.
_CHANGES = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 0.05), st.floats(0, 1)),
        st.one_of(st.sampled_from(_VALUES), st.binary(max_size=4)),
        st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


def changed(data: bytes, changes: list[tuple[float, bytes, bool]], end: float) -> bytes:
    """Bytes written over, put in between, and the end cut off."""
    for where, value, over in changes:
        at = int(where * len(data))
        data = data[:at] + value + data[at + len(value) * over :]
    return data[: int(end * len(data))]


@pytest.mark.parametrize("name", TARGETS)
@given(
    which=st.integers(0, 100),
    changes=_CHANGES,
    end=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_damaged_bytes_are_answered(
    name: str, which: int, changes: list[tuple[float, bytes, bool]], end: float
):
    good = seeds(name)
    survives(lambda: TARGETS[name].read(changed(good[which % len(good)], changes, end)))


def test_what_is_good_is_read():
    """Else nothing behind the first check would ever be reached."""
    refused = {"image_file", "npy_file", "compressed_image", "split_list", "odometry"}
    for name in sorted(set(TARGETS) - refused):
        TARGETS[name].read(TARGETS[name].seeds()[0])
