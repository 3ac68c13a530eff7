"""Columns of another scene in a training frame: with all that is known of them, by one camera."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.semantic_labels import NO_LABEL
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.training.samples.augmentation import NO_AUGMENTATION, Augmentation
from hma_depth_ros.training.samples.dataset import CropDataset, CropSettings, SampleKey
from hma_depth_ros.training.samples.decoded_frame import DecodedFrame
from hma_depth_ros.training.samples.spliced_frames import OtherScenes, splice

SPLICED = Augmentation(rotation=0.0, flip=0.0, colour=0.0, splice=1.0)


def _frame(value: int, *, size: tuple[int, int] = (8, 40), known: bool = True) -> DecodedFrame:
    return DecodedFrame(
        image=np.full((*size, 3), value, np.uint8),
        depth=np.full(size, value, np.float32) if known else None,
        labels=np.full(size, value, np.uint8) if known else None,
        weight=np.full(size, value / 100, np.float32) if known else None,
        camera=None,
    )


def _columns_of(frame: DecodedFrame, value: int) -> np.ndarray:
    """Which columns are of the frame of `value`; they are so from top to bottom."""
    found = frame.image == value
    assert (found == found[:1, :, :1]).all()
    return found[0, :, 0]


def test_a_band_of_columns_comes_with_all_that_is_known_of_it():
    random = np.random.default_rng(0)
    own, other = _frame(10), _frame(20)
    widths, starts = [], []
    for _ in range(200):
        mixed = splice(own, other, random)
        band = _columns_of(mixed, 20)
        widths.append(int(band.sum()))
        starts.append(int(band.argmax()))
        assert np.diff(band.astype(int)).clip(0).sum() + band[0] == 1  # one band
        assert mixed.depth is not None and mixed.labels is not None and mixed.weight is not None
        assert (mixed.depth == np.where(band, 20, 10)).all()
        assert (mixed.labels == np.where(band, 20, 10)).all()
        np.testing.assert_allclose(mixed.weight[0], np.where(band, 0.2, 0.1))
    assert (own.image == 10).all()  # the cached frame is not changed
    assert (min(widths), max(widths)) == (6, 24)  # 0.15 to 0.6 of 40
    assert min(starts) == 0 and max(starts) > 28


@pytest.mark.parametrize("own_known", [False, True])
def test_what_is_not_known_of_one_of_them_stays_unknown_in_its_columns(own_known: bool):
    own, other = _frame(10, known=own_known), _frame(20, known=not own_known)
    mixed = splice(own, other, np.random.default_rng(1))
    known = _columns_of(mixed, 10 if own_known else 20)
    assert mixed.depth is not None and mixed.labels is not None and mixed.weight is not None
    assert ((mixed.depth > 0) == known).all()
    assert ((mixed.labels != NO_LABEL) == known).all()
    assert (mixed.weight[:, ~known] == 1).all()
    nothing = splice(_frame(1, known=False), _frame(2, known=False), np.random.default_rng(1))
    assert nothing.depth is None and nothing.labels is None and nothing.weight is None


def test_frames_of_two_sizes_are_not_put_together():
    own = _frame(10)
    assert splice(own, _frame(20, size=(8, 41)), np.random.default_rng(0)) is own


def test_the_other_frame_is_of_another_scene_and_the_same_camera():
    names = ["0001", "0001", "0005", "0009", "0014"]
    entries = [
        SplitEntry(Path(f"image/2011_09_26_drive_{name}_{i:010}_2.jpg"), None, focal)
        for i, (name, focal) in enumerate(
            zip(names, [360.77, 360.77, 360.769, 353.5, 360.77], strict=True)
        )
    ]
    others = OtherScenes(entries, [1.65, 1.65, 1.65, 1.65, 2.4])
    assert [list(others.of(i)) for i in range(5)] == [[2], [2], [0, 1], [], []]


def test_a_dataset_puts_columns_of_other_drives_in_as_often_as_it_is_told(tmp_path: Path):
    entries = []
    for i, drive in enumerate(("0001", "0005", "0009")):
        image = tmp_path / f"2011_09_26_drive_{drive}_0000000000_2.png"
        cv2.imwrite(str(image), np.full((48, 96, 3), 50 * (i + 1), np.uint8))
        write_depth_png(tmp_path / f"{drive}.png", np.full((48, 96), 10.0 * (i + 1)))
        entries.append(SplitEntry(image, tmp_path / f"{drive}.png", 100.0))
    settings = CropSettings(48, 96, "whole", focal_length=100.0)
    seen = set()
    for cache in (False, True):
        dataset = CropDataset(entries, settings, SPLICED, seed=0, cache=cache)
        for epoch in range(20):
            sample = dataset[SampleKey(epoch, 0)]
            values = sample["image"][0].float()
            assert np.allclose(sample["depth"][0].numpy(), values.numpy() / 5)  # they go together
            seen |= set(values.unique().tolist())
            assert len(values.unique()) == 2
    assert seen == {50.0, 100.0, 150.0}
    never = CropDataset(entries, settings, NO_AUGMENTATION, seed=0)[SampleKey(0, 0)]
    assert never["image"].unique().tolist() == [50]
