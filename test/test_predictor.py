"""`DepthPredictor`: crop, resize and padding undone, focal scaling, points, formats."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.backprojection import back_project
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference import pixels
from hma_depth_ros.inference.engines.torch_engine import TorchEngine
from hma_depth_ros.inference.pixel_format import PixelFormat
from hma_depth_ros.inference.pixels import network_input, to_device
from hma_depth_ros.inference.plan import Region, kitti_benchmark_crop, plan_input
from hma_depth_ros.inference.points import CloudLayout, write_cloud
from hma_depth_ros.inference.prediction import Output, OutputArrays
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.inference.resampling import blended_depth, full_masks, resample, resampled
from hma_depth_ros.inference.self_check_image import self_check_image
from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing
from hma_depth_ros.network.device import choose_device
from hma_depth_ros.network.model import HmaDepth, ScaleMaps
from hma_depth_ros.network.model_config import SIZE_MULTIPLE, ModelConfig

CONFIG = ModelConfig(
    encoder="mobilenetv3_small_050", decoder_channels=(16, 16, 8, 8, 8), aspp_channels=8
)
CAMERA = PinholeCamera(180.0, 180.0, 152.3, 43.2, 310, 94)


def info(focal_length: float | None = 180.0, input_width: int | None = None) -> CheckpointInfo:
    return CheckpointInfo(CONFIG, Preprocessing(focal_length=focal_length, input_width=input_width))


def real_engine() -> TorchEngine:
    torch.manual_seed(0)
    model = HmaDepth(CONFIG)
    cpu = torch.device("cpu")
    return TorchEngine(model, Preprocessing(), device=cpu, precision="fp32")


def street(shape: tuple[int, ...] = (94, 310, 3)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


class PlaneEngine:
    """Answers with the exact depth of a plane, seen by the camera of the network's input.

    What the network would say for its training focal length: the true depth times
    focal_length / fx. Padded like the network pads.
    """

    name, precision, device, hardware = "plane", "fp32", torch.device("cpu"), "paper"
    side_by_side = 1

    def __init__(
        self, camera: PinholeCamera, plane: tuple[float, float, float], focal_length: float
    ) -> None:
        self.camera = camera
        self.inverse = plane  # 1/Z = a X/Z + b Y/Z + c
        self.focal_length = focal_length

    def __call__(self, image: Tensor, planes: Tensor | None = None) -> ScaleMaps:
        height, width = int(image.shape[-2]), int(image.shape[-1])
        assert (height, width) == (self.camera.height, self.camera.width)
        padded = (height + -height % SIZE_MULTIPLE, width + -width % SIZE_MULTIPLE)
        u = torch.arange(padded[1], dtype=torch.float64)
        v = torch.arange(padded[0], dtype=torch.float64)[:, None]
        a, b, c = self.inverse
        camera = self.camera
        inverse_depth = a * (u - camera.cx) / camera.fx + b * (v - camera.cy) / camera.fy + c
        depth = self.focal_length / camera.fx / inverse_depth
        # Padding is garbage, and must not be seen.
        depth[height:], depth[:, width:] = 1e6, 1e6
        full = depth.float()[None, None]
        half = torch.full((1, 1, padded[0] // 2, padded[1] // 2), 0.5)
        return ScaleMaps([full, full], [half], padded_size=padded, size=(height, width))


REGIONS = [None, Region(21, 13, 250, 77), kitti_benchmark_crop(width=310, height=94)]


@pytest.mark.parametrize("resolution", ["image", "network"])
@pytest.mark.parametrize("input_width", [None, 155, 128, 400])
@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("focal_length", [180.0, 90.5, None])
def test_a_plane_comes_back_as_that_plane(region, input_width, resolution, focal_length):
    """Crop, resize, padding and focal scaling: the points still lie on the wall they came from.

    A wall at an angle: 1/Z is linear in the pixel, so that an offset of half a pixel, or a focal
    length that did not follow a resize, moves every point off the plane.
    """
    plane = (0.05, 0.02, 0.1)  # of normal (0.05, 0.02, -0.1...): aX + bY + cZ = 1
    predictor = DepthPredictor(
        real_engine(),
        info(focal_length),
        region=region,
        input_width=input_width,
        resolution=resolution,
    )
    network_camera = predictor.plan((94, 310)).network_camera(CAMERA)
    predictor.engine = PlaneEngine(network_camera, plane, focal_length or network_camera.fx)
    prediction = predictor.predict(street(), CAMERA)
    depth, points = prediction.depth, prediction.points
    assert depth is not None
    assert points is not None
    assert prediction.camera == (CAMERA if resolution == "image" else network_camera)

    seen = np.isfinite(depth)
    window = region or Region(0, 0, 310, 94)
    if resolution == "image":
        expected = np.zeros((94, 310), bool)
        expected[
            window.top : window.top + window.height, window.left : window.left + window.width
        ] = True
        assert np.array_equal(seen, expected)
    else:
        assert seen.all()
    # Bilinear resampling repeats the outermost half pixel instead of going on along the plane.
    inner = seen.copy()
    border = 0 if depth.shape == (network_camera.height, network_camera.width) else 3
    if border:
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        inner[:] = False
        inner[rows[border] : rows[-border], columns[border] : columns[-border]] = True
    on_plane = points[inner].astype(np.float64) @ np.array(plane)
    assert np.abs(on_plane - 1).max() < (1e-3 if border else 1e-5)
    assert np.isnan(points[~seen]).all()


def test_depth_scales_with_the_focal_length_at_the_networks_input():
    predictor = DepthPredictor(real_engine(), info(focal_length=90.0))
    image = street()
    twice = PinholeCamera(180.0, 180.0, 152.3, 43.2, 310, 94)
    unscaled = predictor.predict(image).depth
    scaled = predictor.predict(image, twice).depth
    assert unscaled is not None
    assert scaled is not None
    np.testing.assert_allclose(scaled, 2 * unscaled, rtol=1e-6)
    # Resized to half, fx is 90: the factor is 1.
    predictor.input_width = 155
    unscaled, scaled = predictor.predict(image).depth, predictor.predict(image, twice).depth
    assert unscaled is not None
    assert scaled is not None
    np.testing.assert_allclose(scaled, unscaled, rtol=1e-6)


def test_points_are_the_back_projection_of_the_depth():
    prediction = DepthPredictor(real_engine(), info()).predict(street(), CAMERA)
    assert prediction.depth is not None
    assert prediction.points is not None
    np.testing.assert_array_equal(prediction.points, back_project(prediction.depth, CAMERA))


class UndefinedEngine:
    """The engine of another, whose network gives no number in some pixels of one of its maps."""

    def __init__(self, engine: TorchEngine, maps: str) -> None:
        self._engine, self._maps = engine, maps
        self.name, self.precision = engine.name, engine.precision
        self.device, self.hardware = engine.device, engine.hardware
        self.side_by_side = engine.side_by_side

    def __call__(self, image: torch.Tensor, planes: torch.Tensor | None = None) -> ScaleMaps:
        maps = self._engine(image, planes)
        getattr(maps, self._maps)[-1][..., :4, :5] = torch.nan
        return maps


@pytest.mark.parametrize("maps", ["depths", "attentions"])
def test_what_is_no_number_is_counted_and_stays_none(maps: str):
    predictor = DepthPredictor(UndefinedEngine(real_engine(), maps), info(), resolution="network")
    usual = DepthPredictor(real_engine(), info(), resolution="network")
    image = street((96, 320, 3))
    camera = replace(CAMERA, width=320, height=96)
    for outputs in ({"depth", "points"}, {"attention"}, {"depth", "attention"}):
        found = predictor.predict(image, camera, outputs=outputs)  # type: ignore[arg-type]
        assert usual.predict(image, camera, outputs=outputs).undefined == 0  # type: ignore[arg-type]
        if maps == "depths" and outputs == {"attention"}:
            assert found.undefined == 0
            continue
        assert found.undefined >= 20
        if found.depth is not None:
            assert np.isnan(found.depth).sum() == found.undefined
            assert np.isnan(found.depth[:4, :5]).all()
            assert not np.isnan(found.depth[20:]).any()
        if found.points is not None and found.depth is not None:
            assert np.array_equal(np.isnan(found.points).all(-1), np.isnan(found.depth))
        if found.attention is not None and maps == "attentions":
            assert np.isnan(found.attention[-1, :4, :5]).all()


def test_masks_sum_to_one_after_resizing():
    predictor = DepthPredictor(real_engine(), info(input_width=128))
    attention = predictor.predict(street(), CAMERA).attention
    assert attention is not None
    assert attention.shape == (4, 94, 310)
    assert np.abs(attention.sum(0) - 1).max() < 1e-6


def test_beyond_the_range_is_infinite_and_no_point():
    predictor = DepthPredictor(real_engine(), info())
    image = street()
    before = predictor.predict(image, CAMERA).depth
    assert before is not None
    limit = float(np.median(before))
    predictor.max_range = limit
    prediction = predictor.predict(image, CAMERA)
    assert prediction.depth is not None
    assert prediction.points is not None
    beyond = before > limit
    assert 0.3 < beyond.mean() < 0.7
    assert np.isposinf(prediction.depth[beyond]).all()
    np.testing.assert_array_equal(prediction.depth[~beyond], before[~beyond])
    assert np.isnan(prediction.points[beyond]).all()


def channel_views(rgb: np.ndarray) -> dict[PixelFormat, np.ndarray]:
    alpha = np.full((*rgb.shape[:2], 1), 7, np.uint8)
    return {
        PixelFormat.RGB: rgb,
        PixelFormat.BGR: rgb[..., ::-1],
        PixelFormat.RGBA: np.concatenate([rgb, alpha], -1),
        PixelFormat.BGRA: np.concatenate([rgb[..., ::-1], alpha], -1),
    }


@pytest.mark.parametrize("input_width", [None, 160])
@pytest.mark.parametrize("layout", list(CloudLayout))
def test_every_pixel_format_gives_the_same_answer(input_width, layout):
    predictor = DepthPredictor(real_engine(), info(input_width=input_width), cloud_layout=layout)
    rgb = street()
    expected = predictor.predict(rgb, CAMERA)
    for pixel_format, image in channel_views(rgb).items():
        found = predictor.predict(image, CAMERA, pixel_format=pixel_format)
        np.testing.assert_array_equal(found.depth, expected.depth)
        assert found.cloud is not None
        colors = found.cloud[..., layout.color_column].copy().view(np.uint32)
        red, green, blue = (rgb[..., i].astype(np.uint32) for i in range(3))
        np.testing.assert_array_equal(colors, red << 16 | green << 8 | blue)
    grey = rgb[..., 0]
    mono = predictor.predict(grey, CAMERA, pixel_format=PixelFormat.MONO)
    as_rgb = predictor.predict(np.repeat(grey[..., None], 3, -1), CAMERA)
    np.testing.assert_array_equal(mono.depth, as_rgb.depth)


def test_row_stride_and_read_only_images_are_taken_as_they_are():
    predictor = DepthPredictor(real_engine(), info())
    wide = street((94, 330, 3))
    window = wide[:, :310]
    expected = predictor.predict(np.ascontiguousarray(window), CAMERA).depth
    np.testing.assert_array_equal(predictor.predict(window, CAMERA).depth, expected)
    frozen = np.ascontiguousarray(window)
    frozen.flags.writeable = False
    np.testing.assert_array_equal(predictor.predict(frozen, CAMERA).depth, expected)


def test_only_what_is_asked_for_is_there():
    predictor = DepthPredictor(real_engine(), info())
    wishes: list[set[Output]] = [set(), {"depth"}, {"points"}, {"attention", "depth"}]
    for outputs in wishes:
        found = predictor.predict(street(), CAMERA, outputs=outputs)
        assert (found.depth is not None) == ("depth" in outputs)
        assert (found.points is not None) == ("points" in outputs)
        assert (found.attention is not None) == ("attention" in outputs)
    assert predictor.predict(street()).points is None  # no camera, no points


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"region": Region(20, 10, 250, 70), "max_range": 30.0},
        {"resolution": "network", "input_width": 160},
        {"resolution": "network", "region": Region(20, 10, 250, 70), "max_range": 30.0},
    ],
    ids=["plain", "region", "network size", "region at its own size"],
)
def test_everything_can_be_written_into_given_arrays(settings: dict[str, Any]):
    settings = dict(settings)
    network = info(input_width=settings.pop("input_width", None))
    predictor = DepthPredictor(real_engine(), network, **settings)
    size = predictor.output_size((94, 310))
    # Masks with gaps between them, as between the messages of the node.
    room = np.full((4, size[0] * size[1] + 20), 5.0, np.float32)
    out = OutputArrays(
        depth=np.full(size, 5.0, np.float32),
        attention=room[:, 8:-12].reshape(4, *size),
        cloud=np.zeros((*size, 8), np.float32),
    )
    assert np.shares_memory(out.attention, room)
    for image in (street()[::-1].copy(), street()):  # the second one must not see the first
        found = predictor.predict(image, CAMERA, out=out)
    fresh = predictor.predict(street(), CAMERA)
    for name in ("depth", "attention", "cloud"):
        assert getattr(found, name) is getattr(out, name)
        given, expected = (np.ascontiguousarray(getattr(f, name)) for f in (found, fresh))
        np.testing.assert_array_equal(given.view(np.uint32), expected.view(np.uint32))
    gaps = np.concatenate([room[:, :8], room[:, -12:]], axis=1)
    assert (gaps == 5).all()


def test_wrong_input_is_refused():
    predictor = DepthPredictor(real_engine(), info())
    with pytest.raises(ValueError, match="not a uint8 RGB image"):
        predictor.predict(street().astype(np.float32), CAMERA)
    with pytest.raises(ValueError, match="not a uint8 RGB image"):
        predictor.predict(street((94, 310)), CAMERA)
    with pytest.raises(ValueError, match="empty"):
        predictor.predict(street((0, 310, 3)))
    with pytest.raises(HmaDepthError, match="image is 300x94, its calibration 310x94"):
        predictor.predict(street((94, 300, 3)), CAMERA)
    predictor.region = Region(0, 0, 320, 90)
    with pytest.raises(HmaDepthError, match=r"320x90 at .* not inside the 310x94"):
        predictor.predict(street(), CAMERA)
    # A strip at the network's width: 608x57152, more than the memory holds.
    predictor.region, predictor.input_width = Region(0, 0, 1, 94), 608
    with pytest.raises(HmaDepthError, match=r"1x94 pixels would be enlarged to 608x57152"):
        predictor.predict(street(), CAMERA)


def test_devices_and_precisions_are_checked():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(HmaDepthError, match="no device 'tpu9'"):
        choose_device("tpu9")
    with pytest.raises(HmaDepthError, match="use device:=auto"):
        choose_device("cuda:99")
    for precision, message in (("fp16", "needs a CUDA device"), ("fp8", "no precision 'fp8'")):
        with pytest.raises(HmaDepthError, match=message):
            TorchEngine(
                HmaDepth(CONFIG), Preprocessing(), device=torch.device("cpu"), precision=precision
            )


def test_bf16_differs_a_little_from_fp32():
    torch.manual_seed(0)
    model = HmaDepth(CONFIG)
    cpu = torch.device("cpu")
    engines = [
        TorchEngine(model, Preprocessing(), device=cpu, precision=p) for p in ("fp32", "bf16")
    ]
    full, half = (DepthPredictor(e, info()).predict(street()).depth for e in engines)
    assert full is not None
    assert half is not None
    assert half.dtype == np.float32
    deviation = np.median(np.abs(half - full) / full)
    assert 0 < deviation < 0.02


def test_the_kitti_crop_is_that_of_the_benchmark():
    assert kitti_benchmark_crop(width=1242, height=375) == Region(13, 23, 1216, 352)
    assert kitti_benchmark_crop(width=1241, height=376) == Region(12, 24, 1216, 352)
    assert kitti_benchmark_crop(width=621, height=187) == Region(0, 0, 621, 187)


@pytest.mark.cuda
def test_cuda_says_what_the_cpu_says():
    torch.manual_seed(0)
    model = HmaDepth(CONFIG)
    reference = DepthPredictor(
        TorchEngine(model, Preprocessing(), device=torch.device("cpu"), precision="fp32"),
        info(input_width=160),
    ).predict(street(), CAMERA)
    torch.manual_seed(0)
    predictor = DepthPredictor(
        TorchEngine(HmaDepth(CONFIG), Preprocessing(), device=torch.device("cuda")),
        info(input_width=160),
    )
    room = np.full((4, 94 * 310 + 16), 5.0, np.float32)
    given = OutputArrays(
        depth=np.zeros((94, 310), np.float32),
        attention=room[:, 16:].reshape(4, 94, 310),
        cloud=np.zeros((94, 310, 8), np.float32),
    )
    for out in (OutputArrays(), given):
        found = predictor.predict(street(), CAMERA, out=out)
        for name in ("depth", "attention", "points"):
            np.testing.assert_allclose(
                getattr(found, name), getattr(reference, name), rtol=2e-2, atol=2e-2
            )
    assert found.cloud is given.cloud
    assert (room[:, :16] == 5).all()


def test_resizing_in_float_rounds_as_resizing_in_uint8_does():
    """What CUDA does, here on the CPU: truncated, most of the pixels would be one too dark."""
    batch = torch.from_numpy(self_check_image()).permute(2, 0, 1)[None]
    for size in ((47, 155), (184, 608), (188, 620)):
        whole = pixels.resize_pixels(batch, size)
        rounded = pixels.resized_in_float(batch, size)
        assert whole.dtype == rounded.dtype == torch.uint8
        apart = rounded.float() - whole.float()
        assert float(apart.abs().max()) <= 1
        assert float((apart == 0).float().mean()) > 0.98
        assert abs(float(apart.mean())) < 0.02


@pytest.mark.cuda
@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_cuda_has_the_pixels_that_the_cpu_has(pixel_format: PixelFormat):
    """Truncated after resizing instead of rounded, most of them would be one too dark."""
    rgb = self_check_image()
    channels = {1: rgb[..., 0], 3: rgb, 4: np.dstack([rgb, rgb[..., :1]])}
    image = channels[pixel_format.channels]
    for width in (None, 155):
        plan = plan_input((rgb.shape[0], rgb.shape[1]), input_width=width)
        cpu, cuda = (
            network_input(to_device(image, torch.device(device)), plan, pixel_format).cpu()
            for device in ("cpu", "cuda")
        )
        assert cpu.dtype == cuda.dtype == torch.uint8
        apart = cuda.float() - cpu.float()
        assert float(apart.abs().max()) <= (0 if width is None else 1)
        assert float((apart == 0).float().mean()) > 0.98
        assert abs(float(apart.mean())) < 0.02


@pytest.mark.cuda
def test_on_cuda_nobody_waits_for_the_whole_device(monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(0)
    engine = TorchEngine(HmaDepth(CONFIG), Preprocessing(), device=torch.device("cuda"))
    predictor = DepthPredictor(engine, info(input_width=160))
    predictor.predict(street(), CAMERA)  # records

    def refuse(*_: object) -> None:
        raise AssertionError("a device-wide wait")

    monkeypatch.setattr(torch.cuda, "synchronize", refuse)
    start = time.perf_counter()
    found = predictor.predict(street(), CAMERA)
    elapsed = time.perf_counter() - start
    assert all(seconds > 0 for seconds in found.seconds.values())
    assert sum(found.seconds.values()) <= 1.1 * elapsed


def test_a_batch_is_what_its_images_are_one_by_one():
    predictor = DepthPredictor(real_engine(), info(input_width=160))
    second = PinholeCamera(240.0, 240.0, 150.0, 45.0, 310, 94)
    images = [street(), street()[::-1].copy(), street()]
    cameras = [CAMERA, second, None]
    found = predictor.predict_batch(images, cameras)
    assert len(found) == 3
    for image, camera, one in zip(images, cameras, found, strict=True):
        alone = predictor.predict(image, camera)
        assert one.depth is not None
        assert alone.depth is not None
        assert one.attention is not None
        assert alone.attention is not None
        np.testing.assert_allclose(one.depth, alone.depth, rtol=1e-4)
        np.testing.assert_allclose(one.attention, alone.attention, atol=1e-4)
        assert (one.cloud is None) == (camera is None)
        if one.cloud is not None:
            assert alone.cloud is not None
            np.testing.assert_allclose(one.cloud, alone.cloud, rtol=1e-4, atol=1e-6)
    # The same picture behind another lens.
    assert found[0].depth is not None
    assert found[2].depth is not None
    np.testing.assert_allclose(found[0].depth / found[2].depth, 180 * 160 / 310 / 180, rtol=1e-4)
    np.testing.assert_allclose(found[0].seconds["forward"], found[1].seconds["forward"])
    with pytest.raises(ValueError, match="images of one size for the network, not 2"):
        predictor.predict_batch([street(), street((60, 310, 3))], [None, None])
    with pytest.raises(ValueError, match="not 0"):
        predictor.predict_batch([], [])


@pytest.mark.parametrize("size", [(96, 320), (94, 310), (187, 611), (20, 30)])
def test_resampling_is_pytorchs(size: tuple[int, int]):
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand((2, 3, 48, 160), generator=generator)
    expected = F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
    # A step of 1 between neighbours times the rounding of a float32 coordinate up to 160.
    found = resampled(maps, size)
    assert torch.allclose(found, expected, atol=2e-5, rtol=0)
    frame = torch.full((2, 3, size[0] + 4, size[1] + 6), -1.0)
    resample(maps, frame[..., 1:-3, 2:-4])  # into a window of a larger picture
    torch.testing.assert_close(frame[..., 1:-3, 2:-4], found, rtol=0, atol=0)
    assert (frame < 0).sum() == frame.numel() - found.numel()


@pytest.mark.parametrize("padded", [False, True])
def test_full_size_maps_are_those_of_the_network(padded: bool):
    torch.manual_seed(0)
    size = (90, 310) if padded else (96, 320)
    sizes = [(96 // r, 320 // r) for r in (8, 4, 2, 1)]
    depths = [torch.rand(2, 1, *s) * 80 for s in sizes]
    attentions = [torch.rand(2, 1, *s) for s in sizes[:-1]]
    maps = ScaleMaps(depths, attentions, padded_size=(96, 320), size=size)
    torch.testing.assert_close(blended_depth(maps), maps.depth(), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(full_masks(maps), maps.masks(), rtol=0, atol=1e-6)
    assert full_masks(maps).sum(1).sub(1).abs().max() < 1e-6
    one = maps.of_image(1)
    torch.testing.assert_close(one.depth(), maps.depth()[1:])


def test_a_cloud_of_other_strides_is_the_same():
    depth = torch.rand(94, 310) * 50
    depth[3, 5] = torch.nan
    colors = torch.rand(94, 310)
    for layout in CloudLayout:
        plain = torch.full((94, 310, layout.value), -1.0)
        strided = torch.full((94, 310, 2 * layout.value), -1.0)[..., : layout.value]
        for cloud in (plain, strided):
            write_cloud(cloud, depth, CAMERA, colors, layout)
        assert not strided.is_contiguous()
        np.testing.assert_array_equal(plain.numpy(), strided.numpy())
        assert plain[3, 5, :3].isnan().all()
        written = {0, 1, 2, layout.color_column}
        for column in set(range(layout.value)) - written:
            assert (plain[..., column] == -1).all()
