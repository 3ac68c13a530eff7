"""docs/examples: each runs as a process of its own, and says what is so."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors import safe_open

from hma_depth_ros.bags.new_messages import organised_cloud_message
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.data.depth.depth_png import read_depth_png
from hma_depth_ros.data.image_file import read_rgb, write_png
from hma_depth_ros.data.splits.split_file import read_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.metrics import depth_metrics
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.geometry.camera_planes import Mount
from hma_depth_ros.inference.prediction import Prediction
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.messages.types import POINT_CLOUD
from hma_depth_ros.synthetic.synthetic_drive import KITTI_CAMERA, SyntheticDrive, SyntheticFrame

REPOSITORY = Path(__file__).resolve().parent.parent
EXAMPLES = REPOSITORY / "docs" / "examples"
CAMERA = KITTI_CAMERA.resize(width=310, height=94)
STAMP = 12_300_000_000
#: Seconds in which processes start and find each other on a busy machine.
DEADLINE = 150.0


def command(name: str, *arguments: object) -> list[str]:
    return [sys.executable, str(EXAMPLES / f"{name}.py"), *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}


def lines_of(name: str, *arguments: object) -> list[str]:
    """What an example prints."""
    done = subprocess.run(
        command(name, *arguments), capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def numbers(text: str) -> list[float]:
    """Words that are numbers; no scales such as 1/8."""
    words = (word.strip(",;:()") for word in text.split())
    return [float(word) for word in words if re.fullmatch(r"-?\d+(\.\d+)?", word)]


def imported(name: str) -> ModuleType:
    spec = spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def frames() -> list[SyntheticFrame]:
    """A street, small."""
    return list(SyntheticDrive(seed=5, frames=2, camera=CAMERA, sampling=1))


@pytest.fixture(scope="module")
def predictor() -> DepthPredictor:
    return DepthPredictor.from_checkpoint(device="cpu")


def test_every_example_is_run_here():
    source = Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f'("{path.stem}"' in source, path
        assert "docs/examples/" + path.name in (
            ast.get_docstring(ast.parse(path.read_text())) or ""
        )


def test_a_predictor_in_ten_lines(
    frames: list[SyntheticFrame], predictor: DepthPredictor, tmp_path: Path
):
    write_png(tmp_path / "street.png", frames[0].image)
    size, weights, point = lines_of("predict_depth", tmp_path / "street.png", CAMERA.fx)
    camera = PinholeCamera(CAMERA.fx, CAMERA.fx, 154.5, 46.5, 310, 94)  # the middle of the image
    depth, masks = arrays(predictor.predict(frames[0].image, camera))
    assert size.startswith("depth (94, 310): ")
    told = numbers(size)[2:]
    assert told[:2] == pytest.approx([depth.min(), depth.max()], abs=0.051)
    assert told[2] == pytest.approx(np.median(depth), abs=0.0051)
    assert [part.split()[-2] for part in weights.split(",")] == ["1/8", "1/4", "1/2", "1/1"]
    assert numbers(weights) == pytest.approx(masks.mean((1, 2)), abs=0.0051)
    z = depth[47, 155]
    expected = [(155 - camera.cx) * z / camera.fx, (47 - camera.cy) * z / camera.fy, z]
    assert numbers(point) == pytest.approx(expected, abs=0.0051)
    body = ast.parse((EXAMPLES / "predict_depth.py").read_text(encoding="utf-8")).body
    made = [
        statement for statement in body if not isinstance(statement, ast.Import | ast.ImportFrom)
    ]
    assert len(made) - 1 <= 13  # with the printing, without the docstring


def arrays(prediction: Prediction) -> tuple[Any, Any]:
    assert prediction.depth is not None and prediction.attention is not None
    return prediction.depth, prediction.attention


@pytest.fixture(scope="module")
def own_data(
    frames: list[SyntheticFrame], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """What the example makes of recordings, and what it prints."""
    recordings, data = tmp_path_factory.mktemp("npz"), tmp_path_factory.mktemp("own") / "data"
    for index, frame in enumerate(frames):
        np.savez(
            recordings / f"{index:04}.npz", image=frame.image, depth=frame.depth, K=CAMERA.matrix
        )
    return data, lines_of("own_data_set", recordings, data)


def test_own_recordings_become_a_data_set(
    own_data: tuple[Path, list[str]], frames: list[SyntheticFrame], predictor: DepthPredictor
):
    data, printed = own_data
    entries = read_split(data / "frames.txt")
    assert [entry.image.name for entry in entries] == ["0000.png", "0001.png"]
    known, scores = [], []
    for entry, frame in zip(entries, frames, strict=True):
        assert entry.intrinsics == CAMERA.intrinsics
        assert np.array_equal(read_rgb(entry.image), frame.image)
        assert isinstance(entry.depth, Path)
        stored, seen = read_depth_png(entry.depth), frame.depth < 255
        assert np.abs(stored - frame.depth)[seen].max() <= 1 / 512
        assert not stored[~seen].any()
        known.append(seen.mean())
        depth, _ = arrays(predictor.predict(frame.image, CAMERA))
        counts = (stored > 1e-3) & (stored < 80)
        scores.append(depth_metrics(np.clip(depth[counts], 1e-3, 80), stored[counts])["abs_rel"])
    share = next(line for line in printed if "pixels with depth" in line)
    assert share == f"2 frames in {data / 'frames.txt'}, {100 * np.mean(known):.0f} % of their " + (
        "pixels with depth"
    )
    result = json.loads((data / "score.json").read_text())
    assert found(result, "abs_rel") == pytest.approx(np.mean(scores), rel=1e-4)


def found(result: Any, metric: str) -> float:
    """Mean of a metric in the JSON of `evaluate_kitti`."""
    return float(result["full_cap80"]["mean"][metric])


def test_own_encoder_carries_the_decoder(
    own_data: tuple[Path, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    run, split = tmp_path / "run", own_data[0] / "frames.txt"
    settings = ["model.encoder=staircase", "optimiser.epochs=1", "optimiser.batch_size=2"]
    settings += ["crop.height=32", "crop.width=64", "data.workers=0", "run.tensorboard=false"]
    options = ["--preset", "tiny", "--split", split, "--output", run]
    lines_of("own_encoder", "train", *options, *settings)
    checkpoint = run / "last.safetensors"
    with safe_open(checkpoint, framework="np") as file:
        assert file.get_slice("encoder.backbone.steps.4.0.weight").get_shape() == [64, 48, 3, 3]
    with pytest.raises(HmaDepthError, match="'staircase'"):  # nobody has registered it here yet
        DepthPredictor.from_checkpoint(checkpoint, device="cpu")
    example = imported("own_encoder")
    trained = DepthPredictor.from_checkpoint(checkpoint, device="cpu")
    depth, masks = arrays(trained.predict(np.full((94, 310, 3), 128, np.uint8), CAMERA))
    assert depth.shape == (94, 310)
    assert masks.sum(0) == pytest.approx(1, abs=1e-5)

    monkeypatch.setattr(sys, "argv", ["own_encoder.py"])
    assert example.main() == 0
    channels, parameters, maps = capsys.readouterr().out.splitlines()
    assert numbers(channels.partition("channels")[0]) == [16, 24, 32, 48, 64]
    widths = [3, 16, 24, 32, 48, 64]
    convolutions = sum(9 * a * b for a, b in pairwise(widths))
    assert parameters.startswith(
        f"{convolutions + 2 * sum(widths[1:]):,} parameters in the encoder"
    )
    assert maps == "depth at four scales, 8x12, 16x24, 32x48, 64x96; blended (1, 1, 64, 96)"


def scene() -> np.ndarray:
    """Organised points (1, N, 8) seen from 1.65 m above a road with a wall and a bridge.

    Road: a point in the middle of each cell of 0.2 m from 4 to 20 m, 5 m to either side. Wall: 10 m
    ahead, 1 to 2 m to the left. Bridge: over the whole road, 15 m ahead, 3 m up.
    """
    x, y = np.meshgrid(np.arange(4.1, 20, 0.2), np.arange(-4.9, 5, 0.2))
    road = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    wall = np.array([[10.1, y, z] for y in np.arange(1.1, 2, 0.2) for z in (0.5, 1.0, 1.5)])
    bridge = np.array([[15.1, y, 3.0] for y in np.arange(-4.9, 5, 0.2) for _ in range(3)])
    lone = np.array([[6.1, -3.1, 1.0]])  # a flying pixel
    forward, left, up = np.concatenate([road, wall, bridge, lone]).T
    points = np.zeros((1, forward.size + 5, 8), np.float32)
    points[0, : forward.size, :3] = np.stack([-left, 1.65 - up, forward], axis=1)  # optical frame
    points[0, forward.size :, :3] = np.nan
    return points


#: Of its 80 x 50 cells with road five have the wall.
GRID_OF_SCENE = (
    "3995 free, 5 occupied, 16000 unknown; nearest 10.1 m ahead at 1.1 m left"  # of 100 x 200
)


def test_a_cloud_becomes_an_occupancy_grid(tmp_path: Path):
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/front/points", POINT_CLOUD)
        cloud = organised_cloud_message(scene(), 4, stamp=STAMP, frame="eye")
        bag.write("/front/points", STAMP, cloud)
    assert lines_of("cloud_to_grid", tmp_path / "bag") == [f"12.300000000: {GRID_OF_SCENE}"]


def test_cells_are_where_ros_has_them():
    """Row-major from the corner with the least x and y, x fastest; the camera may look down."""
    example = imported("cloud_to_grid")
    grid = example.Grid()
    data = example.occupancy(scene()[0, :, :3]).ravel()
    width = grid.shape[1]
    column, row = 50, 55  # x 10.0 to 10.2, y 1.0 to 1.2
    assert [data[row * width + column], data[row * width + column - 1]] == [100, 0]
    assert (grid.origin, data[0], data.dtype) == ((0.0, -10.0), -1, np.int8)
    pitch = 0.3  # the optical axis meets the road where height / sin(pitch) of it lie behind
    down = example.on_the_road(np.array([[0, 0, 1.5 / np.sin(pitch)]]), Mount(1.5, pitch))
    assert down[0] == pytest.approx([1.5 / np.tan(pitch), 0, 0])
    right = example.on_the_road(np.array([[2.0, 0, 0], [0, 1.0, 0]]), Mount(1.5, pitch))
    assert right[0] == pytest.approx([0, -2, 1.5])
    assert right[1] == pytest.approx([-np.sin(pitch), 0, 1.5 - np.cos(pitch)])


# --- with ROS -----------------------------------------------------------------------------------


class Output:
    """Lines of a process, as they come."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(),
        )
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(self.process.stdout.readline, ""))  # grows while it is read

    def line_with(self, text: str) -> str | None:
        return next((line for line in list(self.lines) if text in line), None)


@pytest.fixture
def graph() -> Iterator[Any]:
    """Starts processes in one namespace; at the end none is left."""
    started: list[Output] = []

    def start(arguments: list[str], *parameters: str) -> Output:
        given = [word for parameter in parameters for word in ("-p", parameter)]
        output = Output([*arguments, "--ros-args", "-r", "__ns:=/examples", *given])
        started.append(output)
        return output

    yield start
    for output in started:
        if output.process.poll() is None:
            output.process.kill()
        output.process.wait()


class Camera:
    """A node that publishes one picture again and again, and keeps the grids that come back."""

    def __init__(self, pixels: npt.NDArray[np.uint8], camera: PinholeCamera) -> None:
        import rclpy
        from rclpy.context import Context
        from rclpy.node import Node
        from sensor_msgs.msg import CameraInfo, Image

        self.count = 0  #: pictures; the last one's stamp in seconds
        self.grids: list[Any] = []
        self._context = Context()
        rclpy.init(context=self._context)
        self._node = Node("camera", namespace="examples", context=self._context)
        self._executor = rclpy.executors.SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._images = self._node.create_publisher(Image, "image", 1)
        self._infos = self._node.create_publisher(CameraInfo, "camera_info", 1)
        size = {"width": camera.width, "height": camera.height}
        self._image = Image(encoding="rgb8", step=3 * camera.width, **size)
        self._image.data.frombytes(pixels.tobytes())
        self._info = CameraInfo(p=np.hstack([camera.matrix, np.zeros((3, 1))]).ravel(), **size)

    def listen_to_grids(self) -> None:
        from nav_msgs.msg import OccupancyGrid
        from rclpy.qos import DurabilityPolicy, QoSProfile

        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._node.create_subscription(OccupancyGrid, "grid", self.grids.append, latched)

    def publish_until(self, condition: Callable[[], object], outputs: Sequence[Output]) -> None:
        from builtin_interfaces.msg import Time
        from std_msgs.msg import Header

        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, [output.lines for output in outputs]
            self.count += 1
            header = Header(stamp=Time(sec=self.count, nanosec=5), frame_id="eye")
            self._image.header = self._info.header = header
            self._infos.publish(self._info)
            self._images.publish(self._image)
            self._executor.spin_once(timeout_sec=0.2)

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.shutdown()


@pytest.fixture
def camera(frames: list[SyntheticFrame]) -> Iterator[Camera]:
    pytest.importorskip("rclpy")
    camera = Camera(frames[0].image, CAMERA)
    yield camera
    camera.close()


DEPTH_NODE = [sys.executable, "-m", "hma_depth_ros", "depth_node"]
PLAIN = ("device:=cpu", "engine:=torch", "precision:=fp32", "threads:=1", "self_check:=false")


def test_nodes_take_what_the_depth_node_publishes(
    frames: list[SyntheticFrame], predictor: DepthPredictor, camera: Camera, graph: Any
):
    """Depth and masks of one stamp; and, where nav_msgs is installed, the grid of the cloud."""
    running = [graph(DEPTH_NODE, *PLAIN), watch := graph(command("watch_depth"))]
    has_nav = find_spec("nav_msgs") is not None
    if has_nav:
        running.append(graph(command("cloud_to_grid_node"), "camera_height:=1.65", "frame:=road"))
        camera.listen_to_grids()
    camera.publish_until(
        lambda: watch.line_with("nearest") and (camera.grids or not has_nav), running
    )
    prediction = predictor.predict(frames[0].image, CAMERA)
    depth, masks = arrays(prediction)
    stamp, _, told = (watch.line_with("nearest") or "").partition(": nearest ")
    assert re.fullmatch(r"\d+\.000000005", stamp) and 1 <= int(stamp[:-10]) <= camera.count
    nearest, *weights = numbers(told)
    assert nearest == pytest.approx(depth.min(), abs=0.002)
    assert weights == pytest.approx(masks.mean((1, 2)), abs=0.001)
    if has_nav:
        assert prediction.points is not None
        check_grid(camera.grids[0], prediction.points.reshape(-1, 3))
    for output in running[1:]:
        output.process.send_signal(signal.SIGINT)
        assert output.process.wait(timeout=DEADLINE) == 0, output.lines


def check_grid(message: Any, points: npt.NDArray[np.float32]) -> None:
    expected = imported("cloud_to_grid").occupancy(points)
    assert {-1, 0} <= set(expected.ravel().tolist())
    assert (message.info.height, message.info.width) == expected.shape == (100, 200)
    cells = np.array(message.data, np.int8).reshape(expected.shape)
    assert (cells != expected).mean() < 0.001  # a point may round across a border
    assert (message.header.frame_id, message.header.stamp.nanosec) == ("road", 5)
    assert message.info.resolution == pytest.approx(0.2)
    origin = message.info.origin
    assert [origin.position.x, origin.position.y, origin.orientation.w] == [0, -10, 1]
