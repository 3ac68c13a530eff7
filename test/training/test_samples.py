"""Crops keep image, depth, labels and focal length together, and depend on their key alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.semantic_labels import NO_LABEL, Label, find_labels, read_labels
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.training.samples import loading
from hma_depth_ros.training.samples.augmentation import (
    NO_AUGMENTATION,
    Augmentation,
    View,
    blur,
    change_colours,
)
from hma_depth_ros.training.samples.dataset import CropDataset, CropSettings, Sample, SampleKey
from hma_depth_ros.training.samples.loading import BatchLoader
from hma_depth_ros.training.samples.sampler import GlobalBatchSampler, shared_weights

WIDE = Augmentation(rotation=3.0, zoom=1.5, flip=0.5, colour=0.0)
SETTINGS = CropSettings(64, 128, "whole", input_width=192, focal_length=100.0)


@pytest.fixture
def wall(tmp_path: Path) -> list[SplitEntry]:
    """Pictures whose depth can be read off their colour: red falls as depth grows."""
    folder = tmp_path / "drive" / "image_02" / "data"
    labels = tmp_path / "drive" / "semantic"
    for path in (folder, labels):
        path.mkdir(parents=True)
    entries = []
    random = np.random.default_rng(0)
    for i in range(4):
        depth = cv2.resize(random.uniform(4, 40, (3, 6)).astype(np.float32), (192, 96))
        red = np.clip(255 - 6 * depth, 0, 255)
        image = np.stack([np.full_like(red, 90), np.full_like(red, 60), red], -1)  # BGR
        image_path, depth_path = folder / f"{i}.png", tmp_path / f"{i}_depth.png"
        cv2.imwrite(str(image_path), image.astype(np.uint8))
        write_depth_png(depth_path, depth)
        cv2.imwrite(str(labels / f"{i}.png"), (depth > 20).astype(np.uint8))
        entries.append(SplitEntry(image_path, depth_path, 100.0))
    return entries


def test_after_any_view_colour_still_tells_depth_and_label(wall: list[SplitEntry]):
    dataset = CropDataset(wall, SETTINGS, WIDE, seed=0, labels=True)
    factors = []
    for epoch in range(12):
        sample = dataset[SampleKey(epoch, 0)]
        assert sample["image"].shape == (3, 64, 128)
        assert sample["image"].dtype == torch.uint8
        target, labels = sample["depth"][0], sample["labels"][0]
        known = target > 0
        depth = (255 - sample["image"][0].float()) / 6  # of the scene, in metres
        factor = target[known] / depth[known]  # focal_length / focal length of the crop
        factors.append(factor.median().item())
        assert (factor / factors[-1] - 1).abs().median() < 0.02
        # Turned out of the frame there is neither depth nor label.
        assert torch.equal(labels == NO_LABEL, ~known)
        scene = target / factors[-1]
        clear = known & ((scene - 20).abs() > 1)
        assert torch.equal(labels[clear] == 1, scene[clear] > 20)
    assert all(1 / 1.52 < f < 1.01 for f in factors)
    assert min(factors) < 0.8 < max(factors)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [0.0, 2.0])
@pytest.mark.parametrize("scaled", [(90, 160), (135, 240), (180, 320), (51, 91)])
def test_image_and_depth_are_moved_alike(scaled: tuple[int, int], angle: float, mirrored: bool):
    """Both are one ramp. (Half the size would be a tie: no pixel is the nearest.)"""
    v, u = np.mgrid[0:90, 0:160].astype(np.float32)
    ramp = u + 0.5 * v
    image = np.repeat(ramp.astype(np.uint8)[..., None], 3, axis=2)
    size = (scaled[0] * 2 // 3, scaled[1] * 2 // 3)
    view = View((90, 160), scaled, scaled[0] // 6, scaled[1] // 6, size, angle, mirrored)
    crop = view.image(image)[..., 0].astype(np.float32)
    depth = view.nearest(ramp, outside=0)
    inside = depth > 0
    difference = (crop - depth)[inside]
    # Truncation to uint8 takes 0.25 to 0.5 off; half a pixel beside would add 0.5 to 0.75.
    assert -0.65 < np.median(difference) < 0.1
    assert np.abs(difference).max() < 3
    # Depth is never mixed: each value is one of the frame's.
    assert np.isin(depth[inside], ramp).all()


def test_the_middle_of_the_frame_stays_where_it_is():
    """In pixel centres that are integers: (u + 0.5) s - 0.5 for every scale, mirrored or not."""
    frame = np.zeros((90, 160), np.float32)
    frame[30, 50] = 7
    for factor in (2, 3):
        view = View((90, 160), (90 * factor, 160 * factor), 0, 0, (90 * factor, 160 * factor))
        rows, columns = np.nonzero(view.nearest(frame, outside=0))
        assert rows.mean() == pytest.approx((30 + 0.5) * factor - 0.5)
        assert columns.mean() == pytest.approx((50 + 0.5) * factor - 0.5)
    mirrored = View((90, 160), (90, 160), 0, 0, (90, 160), mirrored=True)
    assert mirrored.nearest(frame, outside=0)[30, 109] == 7


def test_a_crop_without_random_changes_is_the_frame_itself(wall: list[SplitEntry]):
    whole = CropSettings(96, 192, "whole", focal_length=50.0)
    sample = CropDataset(wall, whole, NO_AUGMENTATION, seed=0)[SampleKey(0, 1)]
    stored = cv2.imread(str(wall[1].image))
    assert stored is not None
    assert np.array_equal(sample["image"].permute(1, 2, 0).numpy(), stored[..., ::-1])
    units = cv2.imread(str(wall[1].depth), cv2.IMREAD_UNCHANGED)
    assert units is not None
    # Half the focal length at the same size: the network should say half of it.
    np.testing.assert_allclose(sample["depth"][0].numpy(), units / 512, rtol=1e-6)
    indoor = CropSettings(96, 192, "whole", focal_length=None)
    unscaled = CropDataset(wall, indoor, NO_AUGMENTATION, seed=0)[SampleKey(0, 1)]["depth"]
    np.testing.assert_allclose(unscaled[0].numpy(), units / 256, rtol=1e-6)


def test_the_crop_of_kitti_is_cut_before_anything_else(tmp_path: Path):
    image = np.zeros((375, 1242, 3), np.uint8)
    image[:23], image[:, :13], image[:, -13:] = 255, 255, 255  # outside of 352x1216
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), image)
    write_depth_png(tmp_path / "d.png", np.full((375, 1242), 10.0))
    entries = [SplitEntry(path, tmp_path / "d.png", 721.5377)]
    cropped = CropDataset(entries, CropSettings(), NO_AUGMENTATION, seed=0)
    assert all(int(cropped[SampleKey(e, 0)]["image"].max()) == 0 for e in range(20))
    whole = CropDataset(entries, CropSettings(region="whole"), NO_AUGMENTATION, seed=0)
    assert any(int(whole[SampleKey(e, 0)]["image"].max()) == 255 for e in range(20))


def test_each_list_has_its_share_of_an_epoch():
    lists = [0] * 6 + [1] * 90 + [2] * 4
    weights = shared_weights(np.ones(100), lists, (2.0, 1.0, 1.0), 40)
    sampler = GlobalBatchSampler(100, batch_size=4, seed=0, weights=weights)
    assert sampler.steps_per_epoch == 10
    drawn: list[int] = []
    for epoch in range(50):
        sampler.set_position(epoch)
        keys = [key for batch in sampler for key in batch]
        assert len(set(keys)) == 40, "a frame that comes again is another sample"
        drawn += [lists[key.frame] for key in keys]
    for number, share in enumerate((0.5, 0.25, 0.25)):
        assert drawn.count(number) / len(drawn) == pytest.approx(share, abs=0.01)
    # Within a list, frames keep their proportions; without shares all do.
    uneven = np.array([1.0, 3.0, 1.0])
    assert shared_weights(uneven, [0, 0, 1], (1.0, 1.0), None) == pytest.approx([0.375, 1.125, 1.5])
    assert shared_weights(uneven, [0, 0, 1], (), 10) == pytest.approx([2, 6, 2])


def test_colours_change_within_their_ranges_and_only_them():
    image = np.full((4, 4, 3), 128, np.uint8)
    random = np.random.default_rng(0)
    only_brighter = Augmentation(colour=1.0, gamma=(1, 1), brightness=(1.5, 1.5), gain=(1, 1))
    assert (change_colours(image, only_brighter, random) == 192).all()
    never = Augmentation(colour=0.0)
    assert change_colours(image, never, random) is image
    ends = [change_colours(image, Augmentation(colour=1.0), random)[0, 0] for _ in range(300)]
    lowest, highest = np.min(ends), np.max(ends)
    assert 128 * 0.9 * 0.9 * 0.92 < lowest < 112
    assert 145 < highest < 128 * 1.1 * 1.1 * 1.08


@pytest.mark.parametrize(
    ("changes", "expected"),
    [  # of levels 64, 128 and 200
        ({"gamma": (2.0, 2.0)}, (16, 64, 157)),  # 255 (v / 255)^2: darker in the middle
        ({"gamma": (0.5, 0.5)}, (128, 181, 226)),
        ({"brightness": (1.2, 1.2)}, (77, 154, 240)),
        ({"gain": (1.5, 1.5)}, (96, 192, 255)),
        ({"gamma": (2.0, 2.0), "brightness": (2.0, 2.0)}, (32, 129, 255)),
    ],
)
def test_the_same_change_of_colours_by_hand(
    changes: dict[str, tuple[float, float]], expected: tuple[int, ...]
):
    plain = {"gamma": (1.0, 1.0), "brightness": (1.0, 1.0), "gain": (1.0, 1.0)}
    always = Augmentation(colour=1.0, **{**plain, **changes})  # type: ignore[arg-type]
    image = np.array([64, 128, 200], np.uint8)[None, :, None].repeat(3, axis=2)
    found = change_colours(image, always, np.random.default_rng(0))
    assert found[0, :, 1].tolist() == list(expected)


def test_beyond_the_frame_there_is_no_depth_but_a_reflected_image():
    """Mirrored ground truth would stand where nothing was measured."""
    turned = View((60, 60), (60, 60), 0, 0, (60, 60), angle=45.0)
    depth = turned.nearest(np.full((60, 60), 10, np.float32), outside=0)
    labels = turned.nearest(np.full((60, 60), 3, np.uint8), outside=NO_LABEL)
    image = turned.image(np.full((60, 60, 3), 77, np.uint8))
    row, column = np.mgrid[0:60, 0:60] - 29.5
    inside = np.abs(row) + np.abs(column) < 29.5 * 2**0.5 - 1
    outside = np.abs(row) + np.abs(column) > 29.5 * 2**0.5 + 1
    assert outside.sum() > 500
    assert (depth[inside] == 10).all()
    assert (depth[outside] == 0).all()
    assert (labels[inside] == 3).all()
    assert (labels[outside] == NO_LABEL).all()
    assert (image == 77).all()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_sample_follows_from_seed_epoch_and_frame(wall: list[SplitEntry], workers: int):
    dataset = CropDataset(wall, SETTINGS, WIDE, seed=5)
    sampler = GlobalBatchSampler(4, batch_size=2, seed=5)
    loader = BatchLoader(dataset, sampler, workers=workers)
    for epoch in (0, 3):
        sampler.set_position(epoch)
        for keys, batch in zip(list(sampler), list(loader), strict=True):
            for key, image in zip(keys, batch["image"], strict=True):
                assert torch.equal(image, dataset[key]["image"])
    other = CropDataset(wall, SETTINGS, WIDE, seed=6)[SampleKey(0, 0)]["image"]
    assert not torch.equal(other, dataset[SampleKey(0, 0)]["image"])
    assert not torch.equal(dataset[SampleKey(1, 0)]["image"], dataset[SampleKey(0, 0)]["image"])


def _keys(sampler: GlobalBatchSampler) -> Iterator[list[int]]:
    return ([key.frame for key in batch] for batch in sampler)


def test_ranks_share_the_batches_of_one_process():
    one = list(_keys(GlobalBatchSampler(23, batch_size=6, seed=1, epoch=2)))
    assert len(one) == 3
    assert len({frame for batch in one for frame in batch}) == 18
    ranks = [
        list(_keys(GlobalBatchSampler(23, batch_size=6, seed=1, rank=r, world=3, epoch=2)))
        for r in range(3)
    ]
    joined = [[f for part in parts for f in part] for parts in zip(*ranks, strict=True)]
    assert joined == one
    resumed = GlobalBatchSampler(23, batch_size=6, seed=1, epoch=2, first_step=1)
    assert list(_keys(resumed)) == one[1:]
    assert len(resumed) == 2
    others = list(_keys(GlobalBatchSampler(23, batch_size=6, seed=1, epoch=3)))
    assert others != one


def test_batches_that_cannot_be_made_are_refused():
    with pytest.raises(HmaDepthError, match="3 frames do not make a batch of 4"):
        GlobalBatchSampler(3, batch_size=4, seed=0)
    with pytest.raises(HmaDepthError, match="a batch of 4 cannot be shared equally by 3"):
        GlobalBatchSampler(9, batch_size=4, seed=0, world=3)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_a_worker_is_one_clear_line(wall: list[SplitEntry], workers: int):
    wall[2].image.write_bytes(wall[2].image.read_bytes()[:300])
    dataset = CropDataset(wall, SETTINGS, WIDE, seed=0)
    loader = BatchLoader(dataset, GlobalBatchSampler(4, batch_size=4, seed=0), workers=workers)
    with pytest.raises(HmaDepthError) as error:
        list(loader)
    assert str(wall[2].image) in str(error.value)
    assert "\n" not in str(error.value)


class Killed(Dataset[Sample]):
    """Its reader is ended as the kernel does for want of memory."""

    def __getitem__(self, key: SampleKey) -> Sample:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}


def test_a_killed_worker_is_one_line_that_names_the_setting():
    loader = BatchLoader(Killed(), GlobalBatchSampler(4, batch_size=4, seed=0), workers=1)
    with pytest.raises(HmaDepthError, match=r"DataLoader worker .*\. .* data\.workers") as error:
        list(loader)
    assert "\n" not in str(error.value)


def test_full_shared_memory_is_one_line_that_names_the_setting(
    wall: list[SplitEntry], monkeypatch: pytest.MonkeyPatch
):
    def allocate(_samples: object) -> None:
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space")

    monkeypatch.setattr(loading, "default_collate", allocate)
    dataset = CropDataset(wall, SETTINGS, WIDE, seed=0)
    loader = BatchLoader(dataset, GlobalBatchSampler(4, batch_size=4, seed=0), workers=1)
    with pytest.raises(HmaDepthError, match=r"/dev/shm is full.* data\.workers .* to 0") as error:
        list(loader)
    assert "\n" not in str(error.value)
    monkeypatch.setattr(loading, "default_collate", lambda _: torch.zeros(2) + torch.zeros(3))
    loader = BatchLoader(dataset, GlobalBatchSampler(4, batch_size=4, seed=0))
    with pytest.raises(RuntimeError, match="size of tensor"):  # a bug, whose traceback is wanted
        list(loader)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no fork elsewhere")
def test_workers_start_alike_whatever_python_s_own_choice_is():
    """From 3.14 on it is forkserver, for which all would have to be importable by name."""
    code = """
import multiprocessing
from torch.utils.data import Dataset
from hma_depth_ros.training.samples.loading import BatchLoader
from hma_depth_ros.training.samples.sampler import GlobalBatchSampler

multiprocessing.set_start_method("forkserver")

class Numbers(Dataset):
    def __getitem__(self, key):
        return {"number": key.frame}

loader = BatchLoader(Numbers(), GlobalBatchSampler(4, batch_size=4, seed=0), workers=1)
print(sorted(next(iter(loader))["number"].tolist()))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "[0, 1, 2, 3]\n", done.stderr


def test_labels_are_found_where_kittis_semantics_and_the_drives_have_them(tmp_path: Path):
    benchmark = tmp_path / "training"
    for folder in ("image_2", "semantic"):
        (benchmark / folder).mkdir(parents=True)
    path = benchmark / "semantic" / "000000_10.png"
    cv2.imwrite(str(path), np.array([[7, 26]], np.uint8))
    assert find_labels(benchmark / "image_2" / "000000_10.png") == path
    assert read_labels(path).tolist() == [[7, 26]]
    assert find_labels(benchmark / "image_2" / "000001_10.png") is None
    assert find_labels(tmp_path / "000000_10.png") is None
    cv2.imwrite(str(path), np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(HmaDepthError, match="not an 8-bit grey PNG"):
        read_labels(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Augmentation(zoom=0.5),
        lambda: Augmentation(rotation=-1),
        lambda: Augmentation(gamma=(1.1, 0.9)),
        lambda: Augmentation(flip=2),
        lambda: CropSettings(height=0),
        lambda: CropSettings(focal_length=-1.0),
    ],
)
def test_ranges_without_sense_are_refused(make):
    with pytest.raises(HmaDepthError):
        make()


def test_blur_keeps_the_mean_and_takes_detail_away():
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    always = Augmentation(blur=1.0, sigma=(1.0, 1.0))
    found = blur(image, always, np.random.default_rng(0))
    assert found.mean() == pytest.approx(image.mean(), abs=1)
    assert found.std() < 0.4 * image.std()
    assert blur(image, Augmentation(), np.random.default_rng(0)) is image
    with pytest.raises(HmaDepthError, match="sigma cannot be"):
        Augmentation(sigma=(0.0, 1.0))


def test_boxes_come_with_their_depth_and_without_labels(wall: list[SplitEntry], tmp_path: Path):
    """A frame of a flat road; where a box was pasted, depth is another and there is no label."""
    below = np.arange(96)[:, None] - 44.0
    depth = np.where(below > 2, 1.65 * 100 / np.maximum(below, 1), 0).repeat(192, axis=1)
    write_depth_png(tmp_path / "0_depth.png", depth.astype(np.float32))
    settings = CropSettings(96, 192, "whole", focal_length=100.0)
    plain = Augmentation(rotation=0, flip=0, colour=0)
    boxed = Augmentation(rotation=0, flip=0, colour=0, boxes=1.0)
    before = CropDataset(wall, settings, plain, seed=0, labels=True)[SampleKey(0, 0)]
    dataset = CropDataset(wall, settings, boxed, seed=0, labels=True)
    changed = 0
    for epoch in range(6):
        after = dataset[SampleKey(epoch, 0)]
        pasted = (after["labels"] == NO_LABEL) & (before["labels"] != NO_LABEL)
        changed += bool(pasted.any())
        assert (after["depth"] == before["depth"])[~pasted].all()
        same = (after["image"] == before["image"]).all(dim=0, keepdim=True)
        assert same[~pasted].float().mean() > 0.97, "but for the boxes' soft edges"
    assert changed >= 2


@pytest.mark.parametrize(
    ("larger", "share", "kept"),
    [(1, 0.0, 0), (1, 1.0, 30), (2, 0.0, 0), (2, 0.2, 30)],
    ids=["scan at half size", "stereo at half size", "scan", "annotated depth"],
)
def test_a_scan_loses_what_the_camera_cannot_see(
    tmp_path: Path, larger: int, share: float, kept: int
):
    """A column of returns at 5 m, and between them one at 30 m; of dense truth nothing goes."""
    size = 188 * larger, 620 * larger
    cv2.imwrite(str(tmp_path / "image.png"), np.zeros((*size, 3), np.uint8))
    scan = np.zeros(size, np.float32)
    scan[100:140:4, 300] = 5
    scan[118, 301] = 30  # 2 rows off the next nearer one, above and below
    scan[20, 100] = 30
    behind = np.random.default_rng(1).random(size) < share
    write_depth_png(tmp_path / "depth.png", np.where((scan == 0) & behind, np.float32(40), scan))
    entry = SplitEntry(tmp_path / "image.png", tmp_path / "depth.png", 100.0)
    settings = CropSettings(*size, "whole", input_width=size[1], focal_length=100.0)
    found = {
        on: CropDataset([entry], settings, NO_AUGMENTATION, seed=0, occlusion_filter=on)[
            SampleKey(0, 0)
        ]["depth"][0]
        for on in (False, True)
    }
    assert found[False][118, 301] == 30
    assert found[True][118, 301] == kept
    changed = (found[True] != found[False]).nonzero().tolist()
    assert changed == ([] if kept else [[118, 301]])


def test_the_sky_is_where_it_is_said_to_be(wall: list[SplitEntry], tmp_path: Path):
    labels = np.zeros((96, 192), np.uint8)
    labels[:40] = Label.SKY
    cv2.imwrite(str(tmp_path / "drive" / "semantic" / "0.png"), labels)
    settings = CropSettings(96, 192, "whole", focal_length=200.0, sky=80.0)
    sample = CropDataset(wall, settings, NO_AUGMENTATION, seed=0)[SampleKey(0, 0)]
    assert set(sample) == {"image", "depth"}
    depth = sample["depth"][0]
    assert (depth[:40] == 160.0).all(), "80 m, scaled by the focal length as all depth is"
    plain = CropSettings(96, 192, "whole", focal_length=200.0)
    without = CropDataset(wall, plain, NO_AUGMENTATION, seed=0)[SampleKey(0, 0)]["depth"][0]
    assert torch.equal(depth[40:], without[40:])
    with pytest.raises(HmaDepthError, match="sky cannot be"):
        CropSettings(sky=-1.0)
