"""Training from lists of frames to a checkpoint: it learns, it resumes, it shares its work."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hma_depth_ros.cli import run_command, train
from hma_depth_ros.data.depth.ground_truth import read_ground_truth
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.splits.located_split import read_located_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation import depth_ranges
from hma_depth_ros.evaluation.depth_ranges import frame_traits
from hma_depth_ros.inference.plausibility import UPRIGHT, usual_ranges
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.network.checkpoint import read_info
from hma_depth_ros.training.config_file import load_config
from hma_depth_ros.training.lists import read_lists
from hma_depth_ros.training.progress_report import ProgressReport
from hma_depth_ros.training.run_config import DataSection
from hma_depth_ros.training.run_folder import RunFolder

from .runs import (
    SHORT,
    arguments,
    command,
    losses,
    run_train,
    state,
    steps,
    write_drives,
)


@pytest.fixture(scope="module")
def drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drives")
    write_drives(root, drives=2, frames=12)
    return root


@pytest.fixture(scope="module")
def whole_run(drives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run that nothing interrupted."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    done = run_train(*arguments(drives, run, *SHORT), "--report", str(run.parent / "page.html"))
    assert done.returncode == 0, done.stderr
    return run


def _constant_error(data: Path) -> float:
    """AbsRel of the best single depth for all pixels: what a model that sees nothing can reach."""
    entries = read_located_split(data / "val.txt", data)
    truth = np.concatenate([read_ground_truth(e.depth).ravel() for e in entries if e.depth])
    truth = truth[(truth > 1) & (truth < 80)]
    return min(float(np.mean(np.abs(c / truth - 1))) for c in np.linspace(2, 40, 77))


def test_it_learns_the_synthetic_street(
    drives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """On frames between those that were trained on, after a minute of the smallest model."""
    run = tmp_path / "run"
    overrides = ["optimiser.epochs=60", "data.workers=1", "validation.every=60"]
    overrides += ["validation.panels=2"]
    assert train.main(arguments(drives, run, *overrides)) == 0
    assert "best abs_rel" in capsys.readouterr().out
    info = read_info(run / "best.safetensors")
    found = info.evaluation["whole, cap 80 m"]["all"]
    blind = _constant_error(drives)
    assert blind > 0.4
    assert found["abs_rel"] < 0.27, found
    assert found["d1"] > 0.6, found  # 0.65 is what some CPUs' arithmetic makes of it, by a hair
    assert info.training["epoch"] == 60
    # The same file works wherever a checkpoint does.
    entry = read_located_split(drives / "val.txt", drives)[0]
    image = read_rgb(entry.image)
    predictor = DepthPredictor.from_checkpoint(run / "best.safetensors", device="cpu")
    depth = predictor.predict(image, outputs={"depth"}).depth
    assert depth is not None
    assert depth.shape == image.shape[:2]
    _check_tensorboard(run / "tensorboard")


def _check_tensorboard(folder: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"images": 0})
    events.Reload()
    tags = events.Tags()
    assert {"training/loss", "training/learning_rate", "validation/abs_rel"} <= set(tags["scalars"])
    assert tags["images"] == ["validation/0", "validation/1"]
    picture = cv2.imdecode(
        np.frombuffer(events.Images("validation/0")[-1].encoded_image_string, np.uint8),
        cv2.IMREAD_COLOR,
    )
    assert picture is not None
    assert min(picture.shape[:2]) > 300
    assert picture.std() > 20


def test_checkpoints_know_what_depth_their_training_frames_give(whole_run: Path, drives: Path):
    entries = read_located_split(drives / "train.txt", drives)
    for name in ("last", "best"):
        path = whole_run / f"{name}.safetensors"
        predictor = DepthPredictor.from_checkpoint(path, device="cpu")
        expected = usual_ranges([frame_traits(predictor, entry) for entry in entries])
        assert UPRIGHT in expected
        assert read_info(path).depth_ranges.keys() == expected.keys()
        for trait, found in read_info(path).depth_ranges.items():
            assert found == pytest.approx(expected[trait], abs=2e-3), trait


def test_the_same_weights_are_looked_at_once(
    tmp_path: Path, drives: Path, monkeypatch: pytest.MonkeyPatch
):
    """It takes minutes on a CPU."""
    folder, seen = RunFolder(tmp_path), []
    folder.last.write_bytes(b"weights")

    def record(path: Path, entries: object, output: Path, **_: object) -> None:
        seen.append(path)
        output.write_bytes(path.read_bytes() + b" and ranges")

    monkeypatch.setattr(depth_ranges, "record_depth_ranges", record)
    lists = read_lists(DataSection(train=(str(drives / "train.txt"),), root=str(drives)))
    for best, expected in ((None, 1), (b"others", 2), (b"weights", 1)):
        folder.last.write_bytes(b"weights")
        if best is not None:
            folder.best.write_bytes(best)
        seen.clear()
        train._record_depth_ranges(folder, lists, load_config(preset="tiny"))
        assert len(seen) == expected
        assert folder.last.read_bytes() == b"weights and ranges"
        if best is not None:
            assert folder.best.read_bytes() == best + b" and ranges"


def test_a_run_folder_says_what_the_run_was(whole_run: Path, drives: Path):
    config = load_config(file=whole_run / "config.yaml")
    assert config.optimiser.batch_size == 2
    assert config.data.train == (str(drives / "train.txt"),)
    text = (whole_run / "environment.json").read_text()
    assert '"torch":' in text
    assert "another list, 12 listed, 12 with ground truth" in text
    logged = [line for line in steps(whole_run) if "loss" in line]
    assert [line["step"] for line in logged] == list(range(1, 13))
    rates = [line["learning_rate"] for line in logged]
    assert rates[0] == pytest.approx(3e-3)
    assert rates == sorted(rates, reverse=True)
    assert {p.name for p in whole_run.iterdir()} == {
        "config.yaml",
        "environment.json",
        "metrics.jsonl",
        "state.safetensors",
        "last.safetensors",
        "best.safetensors",
    }


def test_a_run_leaves_a_page_with_its_curves_and_frames(whole_run: Path):
    page = (whole_run.parent / "page.html").read_text(encoding="utf-8")
    best = [
        line["validation"]["all"]["abs_rel"] for line in steps(whole_run) if "validation" in line
    ]
    assert f"whole: AbsRel {min(best):.4f} after epoch" in page
    for layer in ("image", "truth", "depth", "error", "masks"):
        assert page.count(f'data-layer="{layer}" src="data:image/webp') == 4  # 2 worst, 2 best


def test_killed_and_resumed_gives_the_same_bits(whole_run: Path, drives: Path, tmp_path: Path):
    run = tmp_path / "killed"
    # Slowed down by nothing but its log: killed as soon as a snapshot inside an epoch is there.
    overrides = [*SHORT, "run.snapshot_every=4"]
    process = subprocess.Popen(
        command(*arguments(drives, run, *overrides)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not (run / "state.safetensors").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = len(losses(run))
    assert before < 12
    # Half a line, as a process that dies while writing leaves it, and a file never finished.
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 99')
    done = run_train("--resume", str(run))
    assert done.returncode == 0, done.stderr
    assert losses(run) == losses(whole_run)
    expected, found = state(whole_run), state(run)
    assert expected.keys() == found.keys()
    different = [name for name in expected if not torch.equal(expected[name], found[name])]
    assert different == []
    assert any(name.startswith("average/") for name in expected)
    assert any(name.startswith("optimiser/") for name in expected)


#: Steps whose size follows the gradient's, and statistics of more than a few pixels: AdamW's usual
#: steps and the tiniest crops blow rounding differences up.
CALM = (
    *SHORT,
    "optimiser.learning_rate=1e-2",
    "optimiser.adam_epsilon=1.0",
    "optimiser.batch_size=4",
    "crop.input_width=200",
    "crop.focal_length=116.19",
    "crop.height=64",
    "crop.width=160",
)


@pytest.fixture(scope="module")
def calm_run(drives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "calm"
    assert train.main(arguments(drives, run, *CALM)) == 0
    return run


def test_two_processes_follow_the_curve_of_one(calm_run: Path, drives: Path, tmp_path: Path):
    run = tmp_path / "two"
    done = run_train(*arguments(drives, run, *CALM), processes=2)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(losses(run), losses(calm_run), rtol=1e-4)
    one, two = state(calm_run), state(run)
    assert one.keys() == two.keys()
    for name, expected in one.items():
        if expected.is_floating_point() and not name.startswith("optimiser/"):
            torch.testing.assert_close(two[name], expected, rtol=1e-3, atol=1e-4)
    validated = [
        [line["validation"]["all"]["abs_rel"] for line in steps(r) if "validation" in line]
        for r in (calm_run, run)
    ]
    np.testing.assert_allclose(validated[1], validated[0], rtol=1e-4)


@pytest.mark.long
def test_each_processes_own_statistics_follow_another_curve(
    calm_run: Path, drives: Path, tmp_path: Path
):
    """So the equality above is not for want of sensitivity."""
    run = tmp_path / "own"
    overrides = [*CALM, "compute.synchronised_batch_norm=false", "optimiser.epochs=1"]
    done = run_train(*arguments(drives, run, *overrides), processes=2)
    assert done.returncode == 0, done.stderr
    assert abs(losses(run)[0] / losses(calm_run)[0] - 1) > 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("optimiser.batch_size=3", "the run's own configuration, which optimiser.batch_size=3"),
        ("--ground-truth-source=lidar", "own configuration, which --ground-truth-source would"),
        ("data.workers=0", ""),
    ],
)
def test_a_resumed_run_keeps_its_configuration(
    whole_run: Path, change: str, message: str, capsys: pytest.CaptureFixture[str]
):
    status = run_command("train", ["--resume", str(whole_run), change])
    assert (status == 2) == bool(message)
    assert message in capsys.readouterr().err


def test_a_resumed_run_keeps_its_lists(
    whole_run: Path, drives: Path, capsys: pytest.CaptureFixture[str]
):
    split = drives / "train.txt"
    lines = split.read_text()
    split.write_text("".join(reversed(lines.splitlines(keepends=True))))
    try:
        assert f"{split} is not what it was when" in _error(["--resume", str(whole_run)], capsys)
    finally:
        split.write_text(lines)
    assert run_command("train", ["--resume", str(whole_run)]) == 0


def test_unreadable_lines_of_the_metrics_are_dropped(whole_run: Path, tmp_path: Path):
    folder = RunFolder(tmp_path)
    lines = (whole_run / "metrics.jsonl").read_bytes()
    torn = [b"\0\0\0\n", b'{"step": 1, "lo\n', b"\xff\n", b'"text"\n', b'{"step": 1']
    folder.metrics.write_bytes(torn[0] + torn[1] + lines + b"".join(torn[2:]))
    folder.forget_after(10**6)
    assert folder.metrics.read_bytes() == lines


def test_tensorboard_on_a_full_disk_is_one_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """It writes in a thread of its own, whose traceback would be the first that a user sees."""
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    reporter = ProgressReport(
        RunFolder(tmp_path), steps=1, first_step=0, batch_size=1, tensorboard=True
    )
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, usual[1]))
    try:
        with (
            pytest.raises(HmaDepthError, match=r"cannot write .*tensorboard: File too large"),
            reporter,
        ):
            reporter.pictures({"noise": noise})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert "Traceback" not in capfd.readouterr().err


def test_a_second_run_in_the_same_folder_is_refused(
    whole_run: Path, drives: Path, capsys: pytest.CaptureFixture[str]
):
    before = state(whole_run)
    assert run_command("train", arguments(drives, whole_run, *SHORT)) == 2
    assert "holds a run already: go on with it by --resume" in capsys.readouterr().err
    assert state(whole_run).keys() == before.keys()


def _error(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert run_command("train", argv) == 2
    found = capsys.readouterr().err
    assert found.count("\n") == 1, found
    return found


def test_parts_of_a_batch_must_be_equal(
    drives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    options = [*SHORT, "optimiser.batch_size=4", "optimiser.accumulation=3"]
    argv = arguments(drives, tmp_path / "uneven", *options)
    assert "accumulation=3 does not divide the 4 images" in _error(argv, capsys)


def test_the_semantic_smoothness_reads_the_drives_labels(
    drives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = tmp_path / "smooth"
    options = [*SHORT, "loss.smoothness_weight=2", "loss.scale_weight=0.5", "optimiser.epochs=1"]
    assert train.main(arguments(drives, run, *options, "data.workers=0")) == 0
    for line in (line for line in steps(run) if "loss" in line):
        assert line["smoothness"] > 0
        parts = line["silog"] + 0.5 * line["scales"] + 2 * line["smoothness"]
        assert line["loss"] == pytest.approx(parts, rel=1e-5)
    bare = tmp_path / "bare"
    bare.mkdir()
    entry = read_located_split(drives / "train.txt", drives)[0]
    (bare / "a.png").write_bytes(entry.image.read_bytes())
    (bare / "list.txt").write_text(f"a.png {entry.depth} 180.0\n")
    argv = ["--preset", "tiny", "--split", str(bare / "list.txt"), "--output", str(run), *options]
    assert "no image of the lists has one" in _error(argv, capsys)


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_files_end_a_run_with_one_line(
    drives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], workers: int
):
    entries = read_located_split(drives / "train.txt", drives)
    good = entries[0]
    broken = tmp_path / "broken.png"
    broken.write_bytes(good.image.read_bytes()[:2000])
    small = tmp_path / "small.png"
    cv2.imwrite(str(small), np.full((50, 100), 2560, np.uint16))
    for image, depth, message in (
        (broken, good.depth, "broken.png"),
        (good.image, small, "is 100x50, its image"),
    ):
        split = tmp_path / "split.txt"
        split.write_text(f"{image} {depth} 180.0\n" * 2)
        argv = ["--preset", "tiny", "--split", str(split), "--output", str(tmp_path / "r")]
        found = _error([*argv, *SHORT, f"data.workers={workers}"], capsys)
        assert message in found
        (tmp_path / "r" / "config.yaml").unlink()


def test_what_is_wrong_is_said_before_anything_is_written(
    drives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = tmp_path / "run"
    short = ["--output", str(run), "--preset", "tiny", *SHORT]
    lists = ["--data", str(drives), "--split", str(drives / "train.txt")]

    def listed(text: str) -> str:
        path = tmp_path / "list.txt"
        path.write_text(text)
        return str(path)

    assert "nothing to train on" in _error(short, capsys)
    assert "lists no frame" in _error([*short, "--split", listed("\n")], capsys)
    some = (drives / "train.txt").read_text().split()
    unlabelled = listed(f"{some[0]} None {some[2]}\n")
    found = _error([*short, "--data", str(drives), "--split", unlabelled], capsys)
    assert "1 of 1 frames without ground truth (None)" in found
    other = listed("2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000005.png x.png 721\n")
    assert "are not under" in _error([*short, "--data", str(drives), "--split", other], capsys)
    validation = ["--validation", str(drives / "train.txt")]
    assert "trained on too" in _error([*short, *lists, *validation], capsys)
    assert "12 frames do not make a batch" in _error(
        [*short, *lists, "optimiser.batch_size=13"], capsys
    )
    assert "no preset 'tinny'; did you mean 'tiny'" in _error(["--preset", "tinny"], capsys)
    bad_metric = _error([*short, *lists, "validation.metric=absrel"], capsys)
    assert "take one of silog, log10, abs_rel" in bad_metric
    found = _error([*short, *lists, "model.weights=bundled"], capsys)
    assert "a checkpoint of another model: encoder is efficientnet_lite2 there" in found
    found = _error([*short, *lists, "model.weights=imagnet"], capsys)
    assert "model.weights=imagnet: neither 'imagenet' nor 'random' nor 'encoder:FILE', and" in found
    assert "name the folder of the run" in _error(["--preset", "tiny", *lists], capsys)
    assert "holds no training run" in _error(["--resume", str(tmp_path / "none")], capsys)
    assert not run.exists()


def test_test_scenes_are_refused_for_validation_too(
    tmp_path: Path, drives: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "val.txt"
    path.write_text(
        "2011_09_26/2011_09_26_drive_0002_sync/image_02/data/0000000005.png x.png 721\n"
    )
    argv = ["--preset", "tiny", "--output", str(tmp_path / "r"), "--data", str(drives)]
    argv += ["--split", str(drives / "train.txt"), "--validation", str(path)]
    assert "validates on 1 of the 28 drives" in _error(argv, capsys)


def test_a_full_disk_leaves_the_snapshot_before(drives: Path, tmp_path: Path):
    """The limit on the size of files stands in for the disk: both fail in the middle of writing."""
    run = tmp_path / "full"
    assert train.main(arguments(drives, run, *SHORT, "run.snapshot_every=2")) == 0
    before = (run / "state.safetensors").read_bytes()
    (run / "config.yaml").write_text(
        (run / "config.yaml").read_text().replace("epochs: 2", "epochs: 3")
    )
    limit = len(before) // 2
    done = subprocess.run(
        command("--resume", str(run)),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (run / "state.safetensors").read_bytes() == before
    assert list(run.glob(".*part*")) == []


def test_a_damaged_snapshot_is_named(whole_run: Path, tmp_path: Path):
    from hma_depth_ros.training.snapshot import Trained, read_snapshot

    path = tmp_path / "state.safetensors"
    path.write_bytes((whole_run / "state.safetensors").read_bytes()[:5000])
    model = torch.nn.Linear(1, 1)
    trained = Trained(model, torch.optim.AdamW(model.parameters()), None)
    with pytest.raises(HmaDepthError, match=r"state.safetensors cannot be resumed from"):
        read_snapshot(path, trained)
    with pytest.raises(HmaDepthError, match=r"cannot be resumed from"):
        read_snapshot(whole_run / "state.safetensors", trained)
