"""The network: equations 1 to 5, every encoder, any size, checkpoints."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.network.attention import blend, hierarchical_masks, upsample
from hma_depth_ros.network.blocks import UpBlock
from hma_depth_ros.network.checkpoint import (
    METADATA_KEY,
    CheckpointInfo,
    Preprocessing,
    decode_info,
    encode_info,
    load_checkpoint,
    read_info,
    rewrite_info,
    save_checkpoint,
)
from hma_depth_ros.network.depth_mapping import to_metres
from hma_depth_ros.network.heads import SigmoidHead
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import (
    ASPP_DILATIONS,
    LARGEST_INPUT,
    PRESETS,
    DepthMapping,
    ModelConfig,
    preset,
)
from hma_depth_ros.network.paper_sizes import BTS_PARAMETERS

TINY = ModelConfig(
    encoder="mobilenetv3_small_050", decoder_channels=(16, 16, 8, 8, 8), aspp_channels=8
)


def tiny_model(**changes: object) -> HmaDepth:
    torch.manual_seed(0)
    return HmaDepth(replace(TINY, **changes)).eval()  # type: ignore[arg-type]


# --- equations 1 to 5 -------------------------------------------------------------------------


def test_masks_are_the_papers_equations_for_four_scales():
    torch.manual_seed(0)
    a8, a4, a2 = (torch.rand(2, 1, 3, 5) for _ in range(3))
    masks = hierarchical_masks([a8, a4, a2])
    expected = [  # equations 1 to 4 as printed
        a8,
        a4 * (1 - a8),
        a2 * (1 - a8) * (1 - a4),
        (1 - a8) * (1 - a4) * (1 - a2),
    ]
    torch.testing.assert_close(masks, torch.cat(expected, dim=1), rtol=0, atol=1e-7)


def test_blend_is_equation_5():
    torch.manual_seed(0)
    attentions = [torch.rand(2, 1, 4, 6) for _ in range(3)]
    depths = [torch.rand(2, 1, 4, 6) * 80 for _ in range(4)]
    expected = (hierarchical_masks(attentions) * torch.cat(depths, dim=1)).sum(1, keepdim=True)
    torch.testing.assert_close(blend(depths, attentions), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scales", [3, 4, 5])
@pytest.mark.parametrize("size", [(64, 96), (75, 122), (33, 31)])
def test_masks_sum_to_one_in_every_pixel(scales: int, size: tuple[int, int]):
    model = tiny_model(scales=scales)
    # Strong, noisy attention: the sum must not depend on where the sigmoids are.
    for head in model.decoder.attention_heads.values():
        torch.nn.init.normal_(head.get_parameter("logit.weight"), std=3.0)
    with torch.inference_mode():
        masks = model(torch.randn(1, 3, *size)).masks()
    assert masks.shape == (1, scales, *size)
    assert masks.dtype == torch.float32
    assert masks.min() >= 0
    assert masks.std() > 0.01
    assert (masks.sum(1) - 1).abs().max() < 1e-6


def test_depth_is_the_blend_of_the_scales_depths():
    model = tiny_model()
    with torch.inference_mode():
        maps = model(torch.randn(2, 3, 75, 122))
    expected = (maps.masks() * maps.scale_depths()).sum(1, keepdim=True)
    torch.testing.assert_close(maps.depth(), expected, rtol=1e-5, atol=1e-4)


def test_each_scale_has_its_own_resolution_and_untrained_masks_are_equal():
    maps = tiny_model()(torch.zeros(1, 3, 64, 96))
    assert [tuple(d.shape[-2:]) for d in maps.depths] == [(8, 12), (16, 24), (32, 48), (64, 96)]
    assert [tuple(a.shape[-2:]) for a in maps.attentions] == [(8, 12), (16, 24), (32, 48)]
    # Biases alone, features of a zero image being small: about a quarter each.
    torch.testing.assert_close(
        maps.masks().mean((0, 2, 3)), torch.full((4,), 0.25), rtol=0, atol=0.1
    )


def test_upsampling_is_bilinear_between_pixel_centres():
    ramp = torch.arange(4.0).view(1, 1, 1, 4)
    doubled = upsample(ramp, (1, 8))[0, 0, 0]
    assert doubled.tolist() == [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]


# --- architecture -----------------------------------------------------------------------------


def test_the_decoder_upsamples_bilinearly_between_pixel_centres():
    block = UpBlock(1, 1, 1)
    block.reduce = block.fuse = torch.nn.Identity()  # type: ignore[assignment]
    ramp = torch.arange(4.0).view(1, 1, 1, 4)
    found = block(ramp, torch.full((1, 1, 2, 8), 9.0))
    assert found[0, 0].tolist() == [[0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]] * 2
    assert (found[0, 1] == 9).all()


@pytest.mark.parametrize("reduction", [16, 8, 4, 2, 1])
def test_every_skip_reaches_the_decoder(reduction: int):
    """The encoder's features, and at full resolution the image itself."""
    model = tiny_model(scales=5).requires_grad_(requires_grad=False)
    image = torch.randn(1, 3, 64, 96)
    features = model.encoder(image)
    skips = {**features, 1: image}
    skips[reduction].requires_grad_()
    depths, attentions, _ = model.decoder(image, features, None)
    # At its own scale and at all finer ones.
    place = model.config.reductions.index(reduction)
    for maps in (depths, attentions):
        for index, map_ in enumerate(maps):
            reached = map_.grad_fn is not None
            assert reached == (index >= place), (reduction, index)
            if reached:
                (slope,) = torch.autograd.grad(map_.sum(), skips[reduction], retain_graph=True)
                assert slope.abs().max() > 0


def test_the_decoder_begins_with_xaviers_weights():
    """Uniform within sqrt(6 / (fan in + fan out)); He's would reach out to sqrt(6 / fan in)."""
    convolutions = [m for m in tiny_model().decoder.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) > 20
    for convolution in convolutions:
        weight = convolution.weight
        area = weight.shape[2] * weight.shape[3]
        bound = (6 / (area * (weight.shape[0] + weight.shape[1]))) ** 0.5
        assert weight.abs().max() <= bound
        assert weight.abs().max() > 0.9 * bound
        if weight.numel() > 500:
            assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.15)


def test_pyramid_has_the_papers_dilations():
    dilations = [
        m.dilation[0]
        for m in tiny_model().decoder.aspp.modules()
        if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (3, 3)
    ]
    assert tuple(dilations) == ASPP_DILATIONS == (3, 6, 12, 18, 24)


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_runs_forward_and_backward(name: str):
    torch.manual_seed(0)
    model = HmaDepth(preset(name)).train()
    maps = model(torch.randn(2, 3, 64, 64))
    depth = maps.depth()
    assert depth.shape == (2, 1, 64, 64)
    assert 0 < depth.min() < depth.max() < PRESETS[name].max_depth
    depth.log().mean().backward()
    missing = [
        n
        for n, p in model.named_parameters()
        # timm keeps an unused last stage of some encoders.
        if p.grad is None and n.startswith("decoder")
    ]
    assert missing == []


@pytest.mark.parametrize("name", ["resnet50", "resnext50", "densenet121", "densenet161"])
def test_parameter_counts_are_near_those_of_bts(name: str):
    with torch.device("meta"):
        model = HmaDepth(preset(name))
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    assert millions == pytest.approx(BTS_PARAMETERS[PRESETS[name].encoder], rel=0.1)


def test_max_depth_scales_the_depth():
    near, far = tiny_model(max_depth=10.0), tiny_model(max_depth=80.0)
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(far(image).depth(), 8 * near(image).depth())


@pytest.mark.parametrize(
    ("mapping", "near", "far", "share", "metres"),
    [
        ("linear", 1.5, 10.0, 0.15, 1.5),
        ("linear", 1.5, 1.0, 0.15, 0.15),  # which does not look at min_depth
        ("logarithmic", 1.5, 80.0, 0.522963, 12.0),
        ("logarithmic", 1.49, 10.0, 0.05, 1.49 * (10 / 1.49) ** 0.05),
        ("logarithmic", 1.5, 10.0, 0.05, 1.5 * (10 / 1.5) ** 0.05),
        ("logarithmic", 9.0, 10.0, 0.05, 9 * (10 / 9) ** 0.05),
        ("inverse", 1.5, 80.0, 0.891720, 12.0),
        ("inverse", 1.5, 10.0, 0.05, 1 / (0.95 / 1.5 + 0.05 / 10)),
        ("inverse", 1e-17, 80.0, 0.95, 2e-16),
    ],
)
def test_depth_starts_between_its_ends(
    mapping: DepthMapping, near: float, far: float, share: float, metres: float
):
    """At 0.15 of max_depth, or where the sigmoid still has a slope if that is beyond an end."""
    config = replace(TINY, depth_mapping=mapping, min_depth=near, max_depth=far)
    for head in HmaDepth(config).decoder.depth_heads.values():
        assert isinstance(head, SigmoidHead)
        assert head.logit.bias is not None
        found = head.logit.bias.detach().sigmoid()
        assert float(found) == pytest.approx(share, rel=1e-4)
        assert float(to_metres(found, config)) == pytest.approx(metres, rel=1e-3)


def test_padding_does_not_reach_a_size_that_needs_none():
    """An odd image is the even one cut off, as long as the cut is replicated border."""
    model = tiny_model()
    image = torch.randn(1, 3, 60, 90)
    padded = torch.nn.functional.pad(image, (0, 6, 0, 4), mode="replicate")
    with torch.inference_mode():
        small, large = model(image).depth(), model(padded).depth()
    assert small.shape[-2:] == (60, 90)
    torch.testing.assert_close(small, large[..., :60, :90])


def test_without_attention_the_coarser_depths_are_fused_into_the_finest():
    model = tiny_model(attention=False)
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        maps = model(image)
        before = maps.depth().clone()
        with pytest.raises(ValueError, match="no masks"):
            maps.masks()
        model.decoder.get_parameter("depth_heads.8.logit.bias").add_(3.0)
        after = model(image).depth()
    assert not torch.allclose(before, after)


def test_wrong_configurations_are_refused():
    with pytest.raises(ValueError, match="3, 4 or 5"):
        ModelConfig(encoder="resnet50", scales=2)
    for mapping in ("logarithmic", "inverse"):
        with pytest.raises(ValueError, match=r"min_depth must be below max_depth \(1.5\), not 1.5"):
            ModelConfig(encoder="resnet50", max_depth=1.5, depth_mapping=mapping)
    with pytest.raises(HmaDepthError, match="did you mean 'resnet50'"):
        preset("resnet5")
    with pytest.raises(HmaDepthError, match="timm cannot build"):
        HmaDepth(replace(TINY, encoder="no_such_net"))
    with pytest.raises(HmaDepthError, match="no features at reduction"):
        HmaDepth(replace(TINY, encoder="vit_tiny_patch16_224"))


# --- checkpoints ------------------------------------------------------------------------------


def info_of(model: HmaDepth) -> CheckpointInfo:
    return CheckpointInfo(
        model.config,
        Preprocessing(input_width=640, focal_length=371.8),
        description="a test",
        training={"dataset": "noise"},
        evaluation={"abs_rel": 0.5},
    )


@pytest.mark.parametrize("changes", [{}, {"scales": 5}, {"scales": 3, "attention": False}])
def test_a_checkpoint_rebuilds_the_model_alone(tmp_path: Path, changes: dict[str, object]):
    model = tiny_model(**changes)
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, model, info_of(model))
    rebuilt, info = load_checkpoint(path)
    assert info == info_of(model)
    image = torch.randn(1, 3, 50, 70)
    with torch.inference_mode():
        assert torch.equal(rebuilt(image).depth(), model(image).depth())


def test_half_precision_weights_are_widened(tmp_path: Path):
    model = tiny_model()
    path, half = tmp_path / "model.safetensors", tmp_path / "half.safetensors"
    save_checkpoint(path, model, info_of(model))
    save_checkpoint(half, model, info_of(model), half=True)
    assert half.stat().st_size < 0.6 * path.stat().st_size
    rebuilt, _ = load_checkpoint(half)
    weight = rebuilt.get_parameter("decoder.aspp.merge.0.weight")
    assert weight.dtype == torch.float32
    assert torch.equal(weight, model.get_parameter("decoder.aspp.merge.0.weight").half().float())


def test_what_half_precision_has_not_stays_as_it_is(tmp_path: Path):
    """Above 65504 it would be infinite, and the file of no use."""
    model, path = tiny_model(), tmp_path / "half.safetensors"
    name, other, *_ = (n for n in model.state_dict() if n.endswith("running_var"))
    model.get_buffer(name)[0] = 65519.0  # which is rounded down
    model.get_buffer(other)[0] = 65520.0
    save_checkpoint(path, model, info_of(model), half=True)
    stored = load_file(path)
    kept = {n for n, t in stored.items() if t.dtype == torch.float32}
    assert kept == {other}
    rebuilt, _ = load_checkpoint(path)
    assert float(rebuilt.get_buffer(name)[0]) == 65504
    assert torch.equal(rebuilt.get_buffer(other), model.get_buffer(other))


@pytest.mark.parametrize("half", [False, True])
def test_weights_that_are_not_finite_are_not_written(tmp_path: Path, half: bool):
    model, path = tiny_model(), tmp_path / "model.safetensors"
    save_checkpoint(path, model, info_of(model), half=half)
    before = path.read_bytes()
    with torch.no_grad():
        model.get_parameter("decoder.aspp.merge.0.weight")[0, 0] = torch.nan
    with pytest.raises(
        HmaDepthError,
        match=r"model.safetensors is not written: .* in 'decoder.aspp.merge.0.weight'; lower",
    ):
        save_checkpoint(path, model, info_of(model), half=half)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def _metadata(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        metadata: dict[str, str] = json.loads(file.read(size))["__metadata__"]
    return metadata


def test_bad_checkpoints_are_one_clear_error(tmp_path: Path):
    model = tiny_model()
    good = tmp_path / "good.safetensors"
    save_checkpoint(good, model, info_of(model))
    tensors, metadata = load_file(good), _metadata(good)

    with pytest.raises(HmaDepthError, match=r"no checkpoint .*missing"):
        load_checkpoint(tmp_path / "missing.safetensors")

    loop = tmp_path / "loop.safetensors"
    loop.symlink_to(loop)
    with pytest.raises(HmaDepthError, match=r"loop.safetensors: Too many levels"):
        load_checkpoint(loop)

    garbage = tmp_path / "garbage.safetensors"
    garbage.write_bytes(os.urandom(1000))
    with pytest.raises(HmaDepthError, match=r"garbage.safetensors is not a readable"):
        load_checkpoint(garbage)

    truncated = tmp_path / "truncated.safetensors"
    truncated.write_bytes(good.read_bytes()[:-100])
    with pytest.raises(HmaDepthError, match=r"truncated.safetensors is not a readable"):
        load_checkpoint(truncated)

    foreign = tmp_path / "foreign.safetensors"
    save_file(tensors, foreign)
    with pytest.raises(HmaDepthError, match=r"foreign.safetensors .*not a checkpoint of this"):
        load_checkpoint(foreign)

    incomplete = tmp_path / "incomplete.safetensors"
    save_file(dict(list(tensors.items())[1:]), incomplete, metadata=metadata)
    with pytest.raises(HmaDepthError, match=r"incomplete.safetensors: .*1 missing or unknown"):
        load_checkpoint(incomplete)

    name = next(n for n, tensor in tensors.items() if tensor.is_floating_point())
    reshaped = tmp_path / "reshaped.safetensors"
    save_file({**tensors, name: torch.zeros(3)}, reshaped, metadata=metadata)
    with pytest.raises(HmaDepthError, match=r"reshaped.safetensors: weights do not fit"):
        load_checkpoint(reshaped)

    nan = tmp_path / "nan.safetensors"
    save_file({**tensors, name: tensors[name] * np.nan}, nan, metadata=metadata)
    with pytest.raises(HmaDepthError, match=r"nan.safetensors: weights are not finite"):
        load_checkpoint(nan)

    newer = tmp_path / "newer.safetensors"
    content = json.loads(metadata[METADATA_KEY]) | {"format": 99}
    save_file(tensors, newer, metadata={METADATA_KEY: json.dumps(content)})
    with pytest.raises(HmaDepthError, match=r"newer.safetensors: .*update the package"):
        read_info(newer)

    odd = tmp_path / "odd.safetensors"
    for text in ('"a text"', "7", "[]", "null", "{}", '{"format": 1, "model": []}', "no JSON"):
        save_file(tensors, odd, metadata={METADATA_KEY: text})
        with pytest.raises(HmaDepthError, match=r"odd.safetensors: .*not understood"):
            read_info(odd)


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = tiny_model()
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, model, info_of(model))
    before = path.read_bytes()

    def disk_full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hma_depth_ros.network.checkpoint.save_file", disk_full)
    with pytest.raises(HmaDepthError, match=r"cannot write .*model.safetensors: No space left"):
        save_checkpoint(path, model, info_of(model))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("section", "key", "values", "words"),
    [
        (
            "preprocessing",
            "mean",
            ([1, 2], [1, 2, 3, 4], [0, 1, "2"], [0, 1, None]),
            "mean must be",
        ),
        ("preprocessing", "std", ([1, 2], [1, 2, True]), "std must be three numbers"),
        ("preprocessing", "std", ([1, 1, 0], [-1, 1, 1]), "std must be positive"),
        (
            "preprocessing",
            "input_width",
            (0, -1, LARGEST_INPUT + 1, 64.5, True),
            "input_width must",
        ),
        ("preprocessing", "focal_length", (0, -1.0, "far", 1e400), "focal_length must be positive"),
        (None, "uncertainty_scale", (0, -1.0, "1", None), "uncertainty_scale must be positive"),
        (None, "description", (None, 7), "description must be str"),
        (None, "training", ([], "none"), "training must be dict"),
        (None, "evaluation", ([], None), "evaluation must be dict"),
        (None, "code_version", (1,), "code_version must be str"),
        (None, "format", (0, 2), "update the package"),
        (None, "depth_ranges", ({"far": [1]}, {"far": ["a", "b"]}, []), "not understood"),
        (None, "colour", ("blue",), "colour"),
    ],
)
def test_every_number_of_the_metadata_is_checked(
    section: str | None, key: str, values: tuple[Any, ...], words: str
):
    good = json.loads(encode_info(info_of(tiny_model())))
    for value in values:
        content = json.loads(json.dumps(good))
        (content[section] if section else content)[key] = value
        with pytest.raises(HmaDepthError, match=words) as error:
            decode_info(json.dumps(content), Path("a.safetensors"))
        assert str(error.value).startswith("a.safetensors: metadata 'hma_depth' not understood: ")


def test_the_limits_themselves_are_allowed():
    kept = replace(
        info_of(tiny_model()),
        preprocessing=Preprocessing(input_width=LARGEST_INPUT, std=(1e-9, 1, 1), focal_length=1e-9),
        uncertainty_scale=1e-9,
        depth_ranges={"far": (1.0, 2.5)},
    )
    assert decode_info(encode_info(kept), Path("a")) == kept
    taken_as_they_are = replace(kept, preprocessing=Preprocessing())
    assert decode_info(encode_info(taken_as_they_are), Path("a")) == taken_as_they_are
    old = json.loads(encode_info(kept))
    del old["depth_ranges"]  # of before there were any
    assert decode_info(json.dumps(old), Path("a")).depth_ranges == {}


def test_the_input_is_normalised_by_its_numbers():
    """Those of ImageNet if nothing is said, for colours from 0 to 255."""
    mean, std = Preprocessing().mean_and_std(torch.device("cpu"))
    assert mean.shape == std.shape == (1, 3, 1, 1)
    there = torch.device("meta")
    assert {numbers.device for numbers in Preprocessing().mean_and_std(there)} == {there}
    torch.testing.assert_close(mean.flatten(), 255 * torch.tensor([0.485, 0.456, 0.406]))
    torch.testing.assert_close(std.flatten(), 255 * torch.tensor([0.229, 0.224, 0.225]))
    image = torch.rand(1, 3, 2, 2)
    own = Preprocessing(mean=(0.5, 0.25, 0.125), std=(0.1, 0.2, 0.3)).mean_and_std(image.device)
    expected = [
        (image[:, c] - m) / s for c, (m, s) in enumerate([(0.5, 0.1), (0.25, 0.2), (0.125, 0.3)])
    ]
    torch.testing.assert_close((255 * image - own[0]) / own[1], torch.stack(expected, dim=1))


def test_other_metadata_leave_the_tensors_as_they_are(tmp_path: Path):
    """To the bit, also those in half precision; numbers of steps are not rounded."""
    model = tiny_model()
    steps = next(n for n, t in model.state_dict().items() if n.endswith("num_batches_tracked"))
    model.state_dict()[steps].fill_(100_001)  # which float16 has not
    path, other = tmp_path / "half.safetensors", tmp_path / "other.safetensors"
    save_checkpoint(path, model, info_of(model), half=True)
    told = replace(info_of(model), description="another")
    rewrite_info(path, other, told)
    before, after = load_file(path), load_file(other)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert tensor.dtype == after[name].dtype
        assert torch.equal(tensor, after[name])
    rebuilt, info = load_checkpoint(other)
    assert info == told
    assert not rebuilt.training
    assert int(rebuilt.state_dict()[steps]) == 100_001


@pytest.mark.parametrize("write", ["save", "rewrite"])
def test_what_safetensors_cannot_write_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: str
):
    """It has errors of its own, for a full disk as well."""
    model = tiny_model()
    path, target = tmp_path / "model.safetensors", tmp_path / "other.safetensors"
    save_checkpoint(path, model, info_of(model))

    def disk_full(*args: object, **kwargs: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("hma_depth_ros.network.checkpoint.save_file", disk_full)
    with pytest.raises(
        HmaDepthError, match=r"^cannot write .*other.safetensors: I/O error: No space"
    ):
        if write == "save":
            save_checkpoint(target, model, info_of(model))
        else:
            rewrite_info(path, target, info_of(model))
    assert list(tmp_path.iterdir()) == [path]


def test_weights_that_cannot_be_downloaded_are_one_clear_error(monkeypatch: pytest.MonkeyPatch):
    def offline(*_: object, **__: object) -> None:
        raise FileNotFoundError("no connection\n to the hub.")

    monkeypatch.setattr("timm.create_model", offline)
    with pytest.raises(HmaDepthError, match=r"weights of 'resnet50' .* no connection to the hub. "):
        HmaDepth(preset("resnet50"), pretrained_encoder=True)
