"""The checkpoint that comes with the package is whole, small, and what is used by default."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hma_depth_ros import assets
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference import bundled
from hma_depth_ros.network.checkpoint import read_info

NAME = assets.CHECKPOINT


@pytest.fixture(autouse=True)
def unchecked() -> Iterator[None]:
    bundled.default_checkpoint.cache_clear()
    yield
    bundled.default_checkpoint.cache_clear()


def test_it_is_whole_and_at_most_20_mb():
    path = bundled.default_checkpoint()
    assert path.name == NAME
    assert path.stat().st_size <= 20e6
    info = read_info(path)
    assert (info.model.encoder, info.model.scales, info.model.attention) == (
        "efficientnet_lite2",
        4,
        True,
    )
    assert info.evaluation, "its figures are inside"


def test_a_damaged_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = assets.asset(NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    checksum = f"{NAME}.sha256"
    (tmp_path / checksum).write_bytes(assets.asset(checksum).read_bytes())
    monkeypatch.setattr(assets, "files", lambda _package: tmp_path)
    with pytest.raises(HmaDepthError, match=r"is damaged .* install the package again"):
        bundled.default_checkpoint()
    (tmp_path / checksum).unlink()
    with pytest.raises(HmaDepthError, match="lacks"):
        bundled.default_checkpoint()
