"""Pages of evaluations, trainings, bags and benchmarks: their figures, pictures and safety."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hma_depth_ros.bags.depth_frames import depth_stamps, frame_arrays, recorded_depths
from hma_depth_ros.bags.new_messages import image_message
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.cli import run_command
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.splits.dataset_layout import KITTI, NYU
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.html_report.benchmark_page import benchmark_page
from hma_depth_ros.html_report.embedded_pictures import embedded, webp_uri
from hma_depth_ros.html_report.evaluation_page import evaluation_page
from hma_depth_ros.html_report.page_parts import Frames, Page, Section
from hma_depth_ros.html_report.render_page import PICTURES, rendered, write_page
from hma_depth_ros.html_report.svg_chart import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Band,
    Series,
    bar_chart,
    line_chart,
    thinned,
)
from hma_depth_ros.html_report.training_page import write_training_page
from hma_depth_ros.messages.types import IMAGE
from hma_depth_ros.training.config_file import load_config
from hma_depth_ros.training.run_folder import RunFolder
from hma_depth_ros.visualization.frame_layers import LAYERS, FrameLayers, read_layers, write_layers

from .pages import NASTY, SIZE, PageReader, evaluation, layers


def page_of(content: dict[str, Any], frames: list[FrameLayers] | None = None) -> PageReader:
    return PageReader(rendered(evaluation_page(content, frames or [], where="x.json")))


def decoded(uri: str) -> np.ndarray:
    data = base64.b64decode(uri.removeprefix("data:image/webp;base64,"), validate=True)
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))[..., ::-1]


# --- charts -------------------------------------------------------------------------------------


def test_a_line_is_where_its_values_are():
    points = [(0.0, 0.0), (5.0, 20.0), (10.0, 10.0), (11.0, float("nan")), (20.0, 5.0)]
    chart = line_chart("t", [Series("s", points, dots=True)], x_label="x", y_label="y")
    middle = (TOP + BOTTOM) / 2
    first = f"{LEFT:.1f},{BOTTOM:.1f} {LEFT + (RIGHT - LEFT) / 4:.1f},{TOP:.1f}"
    (drawn,) = chart.series
    assert drawn.paths == [f"{first} {(LEFT + RIGHT) / 2:.1f},{middle:.1f}"]  # broken by the NaN
    assert [float(dot.x) for dot in drawn.dots][-1] == RIGHT
    assert len(drawn.dots) == 4
    assert [tick.label for tick in chart.y_ticks] == ["0", "5", "10", "15", "20"]
    assert chart.y_ticks[2].position == middle
    assert chart.legend == []


def test_whole_numbers_have_whole_ticks_and_one_value_is_in_the_middle():
    few = line_chart("t", [Series("s", [(1, 1), (2, 1), (3, 2)])], x_label="", y_label="")
    assert [tick.label for tick in few.x_ticks] == ["1", "2", "3"]
    one = line_chart("t", [Series("s", [(4, 2)], dots=True)], x_label="", y_label="", zero=False)
    thin = line_chart("t", [Series("s", [(1, 0.12)])], x_label="", y_label="")
    labels = [tick.label for tick in thin.y_ticks]
    assert labels == ["0.000", "0.025", "0.050", "0.075", "0.100", "0.125"]
    (tick,) = one.x_ticks
    (dot,) = one.series[0].dots
    assert (tick.label, float(dot.x)) == ("4", (LEFT + RIGHT) / 2)
    assert TOP < float(dot.y) < BOTTOM


def test_a_logarithmic_axis_has_equal_steps_for_equal_ratios():
    chart = line_chart(
        "t", [Series("s", [(0, 1e-5), (1, 1e-4), (2, 1e-3)])], x_label="", y_label="", log=True
    )
    heights = [float(place.split(",")[1]) for place in chart.series[0].paths[0].split()]
    assert heights == [BOTTOM, pytest.approx((TOP + BOTTOM) / 2, abs=0.1), TOP]


def test_close_values_of_a_logarithmic_axis_have_different_numbers():
    points = [(1, 1.62e-3), (2, 1.66e-3)]
    close = line_chart("t", [Series("s", points)], x_label="", y_label="", log=True)
    assert [tick.label for tick in close.y_ticks] == [f"1.6{digit}e-3" for digit in range(2, 7)]
    one = line_chart("t", [Series("s", points[:1])], x_label="", y_label="", log=True)
    assert [tick.label for tick in one.y_ticks] == ["1e-3", "2e-3"]


def test_a_point_without_neighbours_is_seen():
    """A run that has logged once, and a value between two that are missing."""
    nan = float("nan")
    points = [(1, 2.0), (2, nan), (3, 4.0), (4, 4.5)]
    (series,) = line_chart("t", [Series("s", points)], x_label="", y_label="").series
    assert [dot.label for dot in series.dots] == ["s: 2 at 1"]
    assert len(series.paths) == 1


def test_bars_stand_on_zero_and_hang_from_it():
    chart = bar_chart("t", [("a", 2.0, "A"), ("b", -1.0, "B")], x_label="", y_label="")
    up, down = chart.bars
    assert chart.zero == float(up.y) + float(up.height) == float(down.y)
    assert float(up.height) == pytest.approx(2 * float(down.height), abs=0.2)
    assert (up.label, down.label) == ("A", "B")
    assert [tick.label for tick in chart.x_ticks] == ["a", "b"]
    assert [tick.label for tick in chart.y_ticks] == ["\N{MINUS SIGN}1", "0", "1", "2"]


def test_a_band_lies_between_its_values():
    band = Band("b", [(0.0, 0.0, 10.0), (1.0, 5.0, 10.0)])
    chart = line_chart("t", [Series("s", [(0, 5)])], bands=[band], x_label="", y_label="")
    ((_, polygon),) = chart.areas
    corners = [tuple(map(float, place.split(","))) for place in polygon.split()]
    middle = (TOP + BOTTOM) / 2
    assert corners == [(LEFT, BOTTOM), (RIGHT, middle), (RIGHT, TOP), (LEFT, TOP)]
    assert [name for _, name in chart.legend] == ["s", "b"]


def test_long_curves_are_thinned_to_means():
    assert thinned([(0, 1), (1, 2)], most=2) == [(0, 1), (1, 2)]
    points = [(float(step), float(step % 2)) for step in range(10)]
    assert thinned(points, most=5) == [(0.5, 0.5), (2.5, 0.5), (4.5, 0.5), (6.5, 0.5), (8.5, 0.5)]


# --- pictures -----------------------------------------------------------------------------------


def test_pictures_keep_to_their_budget_and_are_as_good_as_it_allows():
    smooth = np.zeros((100, 160, 3), np.uint8)
    smooth[..., 0] = np.linspace(0, 255, 160)
    noise = np.random.default_rng(0).integers(0, 255, (100, 160, 3), np.uint8)
    (plenty,) = embedded([smooth], budget=10**6)
    assert np.abs(decoded(plenty).astype(int) - smooth).mean() < 3
    for budget in (20_000, 9_000):
        found = embedded([smooth, noise], budget=budget)
        assert budget / 4 < sum(map(len, found)) <= budget
    assert decoded(found[1]).shape[0] < 100  # quality alone was not enough
    with pytest.raises(ValueError, match="do not fit into 10 characters"):
        embedded([noise], budget=10)
    assert (decoded(webp_uri(noise, 101)) == noise).all()


def test_layers_of_a_folder_are_those_that_were_written(tmp_path: Path):
    made = layers("n", "worst")
    assert list(made.pictures) == ["image", "truth", "depth", "error", "masks", "confidence"]
    write_layers(tmp_path / "one", made)
    read = read_layers(tmp_path / "one")
    assert read.note == made.note
    assert read.note.measured
    for name, picture in made.pictures.items():
        np.testing.assert_array_equal(read.pictures[name], picture)
    assert made.above is not None
    np.testing.assert_array_equal(read.above, made.above)
    # 40 m are 400 pixels: the wall is 20 m ahead of the camera, the measured one 10 m.
    measured = (made.above == (0xFF, 0xD6, 0x0A)).all(axis=-1)
    rows, columns = np.nonzero(measured)
    assert rows.mean() == pytest.approx(500, abs=1)
    assert (columns.min(), columns.max()) == (pytest.approx(120, abs=1), pytest.approx(280, abs=1))
    (tmp_path / "one" / "frame.json").write_text('{"nam": 1}')
    with pytest.raises(HmaDepthError, match=r"cannot read .*frame.json"):
        read_layers(tmp_path / "one")


# --- the page of an evaluation ------------------------------------------------------------------


def test_the_figures_of_an_evaluation_are_on_its_page():
    content = evaluation()
    page = page_of(content)
    assert page.after("AbsRel ↓") == "0.180"  # the mean of 0.1, 0.2, 0.4 and 0.02
    # Of two drives the interval over them is their two means, and narrower than that over frames.
    assert content["full_cap80"]["confidence_95_over_scenes"]["abs_rel"] == pytest.approx(
        (0.15, 0.21)
    )
    low, high = content["full_cap80"]["confidence_95"]["abs_rel"]
    assert high - low > 0.2
    assert f"95 %: {low:.3f} to {high:.3f}" in page.texts
    assert "own on 4 frames" in page.texts
    assert "of 5 asked for" in page.texts
    assert "Left out: c_0: no image" in page.texts
    drives = page.texts.index("AbsRel by drive, worst first")
    listed = page.texts[drives + 1 : drives + 7]
    assert listed == ["b", "2 frames", "0.210", "a", "2 frames", "0.150"]
    strips = [found for found in page.of("rect") if found["y"] == "1"]
    assert [float(strip["width"]) for strip in strips] == [100.0, pytest.approx(71.43, abs=0.01)]
    assert "rows 0:24, columns 0:40" in page.texts
    assert "taken to be the image's middle" in " ".join(page.texts)
    # By distance: AbsRel is the same everywhere, and so are the bars.
    bars = [found for found in page.of("rect", **{"class": "bar s1"}) if found["y"] != "1"]
    heights = [float(bar["height"]) for bar in bars]
    assert max(heights[:5]) - min(heights[:5]) < 1
    assert "0 to 10 m" in page.texts
    # Every sigma is 0.1: ln 1.02 and ln 1.1 are within it, ln 1.2 within two.
    assert page.after("Within 1 sigma") == "50.0 %"
    assert page.after("Within 2 sigma") == "75.0 %"


def test_words_are_those_of_the_data_set():
    """As `evaluate_*` names it: the paper's table is KITTI's, and NYU has no drives."""
    by_name = {}
    for layout in (KITTI, NYU):
        content = evaluation()
        content = {"bts_cap80": content.pop("full_cap80"), **content}
        content["run"]["data_set"] = layout.name
        by_name[layout.name] = page_of(content).texts
    kitti, nyu = by_name["KITTI"], by_name["NYU Depth v2"]
    assert "HMA-Depth-ResNet 50" in kitti
    assert kitti[kitti.index("this evaluation") + 4] == "0.180"
    assert "By drive and frame" in kitti
    assert "this evaluation" not in nyu
    assert "AbsRel by scene, worst first" in nyu


def test_frames_are_shown_once_the_worst_first():
    frames = [layers("b_0", "worst"), layers("a_0", "best"), layers("b_0", "best")]
    page = page_of(evaluation(), [frames[1], frames[0], frames[2]])
    badges = [text for text in page.texts if text in {"worst", "best"}]
    assert badges == ["worst", "best"]
    assert (page.after("worst"), page.after("best")) == ("b_0", "a_0")
    shown = page.of("img")
    assert [image["data-layer"] for image in shown] == 2 * list(frames[0].pictures)
    found = decoded(shown[2]["src"])
    assert found.shape == (*SIZE, 3)
    assert np.abs(found.astype(int) - frames[0].pictures["depth"]).mean() < 4
    starts = [image["data-layer"] for image in shown if "left" in image["class"]]
    assert starts == ["image", "image"]
    chosen = [found["value"] for found in page.of("input", type="radio") if "checked" in found]
    assert chosen == ["image", "depth"] * 2
    assert len(page.of("input", type="range")) == 2
    assert {found["data-layer"] for found in page.of("div", **{"class": "key"})} == {
        *("truth", "depth", "error", "masks", "confidence")
    }


def test_a_page_asks_for_nothing_and_runs_nothing_of_others():
    html = rendered(evaluation_page(evaluation(), [layers(NASTY, "worst")], where="x"))
    page = PageReader(html)
    assert NASTY in page.texts
    assert f"hint {NASTY}" in page.texts
    assert len(page.of("script")) == 1
    assert not re.search(r"https?://|@import|url\(", html)
    links = [found.get(key, "") for _, found in page.elements for key in ("src", "href")]
    assert all(link == "" or link.startswith(("data:", "#")) for link in links)
    assert not any(name == "style" or name.startswith("on") for _, f in page.elements for name in f)
    (policy,) = page.of("meta", **{"http-equiv": "Content-Security-Policy"})
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy["content"]
    assert policy["content"].startswith("default-src 'none'; img-src data:;")


def test_pictures_make_no_page_of_10_mb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    frames = [layers("f", "worst", size=(48, 160), noise=True)]
    page = Page("Kind", "Title", [Section("Frames", [Frames(frames)])])
    assert PICTURES < 9_000_000

    def pictures() -> int:
        write_page(tmp_path / "page.html", page)
        found = PageReader((tmp_path / "page.html").read_text(encoding="utf-8"))
        return sum(len(image["src"]) for image in found.of("img"))

    free = pictures()
    monkeypatch.setattr("hma_depth_ros.html_report.render_page.PICTURES", free // 3)
    assert free // 12 < pictures() <= free // 3
    assert list(tmp_path.glob(".*")) == []


def test_several_networks_side_by_side():
    def difference(low: float, value: float, high: float, scenes: int = 1) -> dict[str, Any]:
        over_scenes = None if scenes == 1 else [value - 0.001, value + 0.001]
        return {
            "first": 0.2, "second": 0.2 + value, "difference": value, "scenes": scenes,
            "confidence_95": [low, high], "confidence_95_over_scenes": over_scenes,
            "sure": scenes == 1 and (low > 0 or high < 0),
        }  # fmt: skip

    metrics = {"abs_rel": 0.2, "d1": 0.7, "rmse": 5.0}
    apart = {
        "abs_rel": difference(-0.03, -0.02, -0.01),
        "d1": difference(-0.05, -0.04, -0.02),
        "rmse": difference(-0.1, 0.1, 0.3),
    }
    content = {
        "bts_cap80": {
            "mean": {"old": metrics, "new": metrics, "few": metrics},
            "minus_first": {"new": apart, "few": {"d1": difference(-0.05, -0.04, -0.02, 2)}},
            "per_image": {"old": {"f": metrics}, "new": {"f": metrics}, "few": {"f": metrics}},
        },
        "run": {"split": "some frames"},
    }
    page = page_of(content)
    assert "new, few against old" in page.texts
    start = page.texts.index("AbsRel ↓", page.texts.index("new minus old"))
    assert page.texts[start + 1] == "better"  # less is better
    assert page.after("RMSE m ↓") != ""
    colors = [f["class"] for f in page.of("rect") if f["class"].startswith("bar s")]
    # In the order of the paper's table: d1 is worse, AbsRel better, of RMSE it is not sure; nor of
    # what two drives say.
    assert colors == ["bar s2", "bar s3", "bar s0", "bar s0"]
    assert page.texts.count("too few drives to say") == 1
    few = page.of("rect", **{"class": "bar s0"})[-1]
    assert float(few["width"]) == pytest.approx(46 * 0.03 / 0.05, abs=0.1), "the wider interval"
    (first, *_), (mean, *_) = (
        [f for f in page.of("rect") if f["class"] == name] for name in ("bar s3", "bar mean")
    )
    assert float(first["x"]) + float(first["width"]) < 50  # all below zero
    assert float(first["x"]) < float(mean["x"]) < 50


# --- the other pages ----------------------------------------------------------------------------


def benchmark(part: str, **content: Any) -> PageReader:
    arguments = {"part": part, "checkpoint": "/a/own.safetensors"}
    found = {"arguments": arguments, "machine": {"cpu": "a CPU", "cores": 2, "gpus": []}, **content}
    return PageReader(rendered(benchmark_page(found, where="b.json")))


def timing(median: float) -> dict[str, Any]:
    return {"median": median, "quartiles": [median, 1.5 * median], "cpu_median": 0.01, "count": 3}


def test_the_page_of_a_benchmark_shows_candidates_and_stages():
    def candidate(total: float, forward: float) -> dict[str, Any]:
        stages = {"preprocess": timing(0.01), "forward": timing(forward)}
        return {**timing(total), "stages": stages, "memory_bytes": 2**21}

    page = benchmark(
        "predictor",
        image_size=[375, 1242],
        network_size=[184, 608],
        outputs=["attention", "depth"],
        left_out={"slow": "no package"},
        candidates={"fast fp32": candidate(0.05, 0.04), "slow fp32": candidate(0.1, 0.09)},
    )
    assert "50.0 ms from an image of 375x1242 to depth, attention, by fast fp32" in page.texts
    widths = [float(f["width"]) for f in page.of("rect", y="1")]
    assert widths == [10.0, 40.0, 10.0, 90.0]
    assert "slow: no package" in page.texts
    assert "own.safetensors" in page.texts
    crops = {"items": 10, "seconds": 2.0, "cpu_seconds": 1.0, "per_second": 5.0}
    page = benchmark("loader", crops=crops, pairs=crops, stages_ms={"read": 4.0, "warp": 2.0})
    assert "5.0 training samples and 5.0 scored pairs a second" in page.texts
    assert [float(f["width"]) for f in page.of("rect", y="1")] == [100.0, 50.0]
    with pytest.raises(HmaDepthError, match=r"b.json is not what benchmark --json writes: crops"):
        benchmark("loader", pairs=crops, stages_ms={})


def test_the_page_of_a_run_without_its_data(tmp_path: Path):
    folder = RunFolder(tmp_path / "run")
    config = load_config(preset="tiny", overrides=["data.train=[gone.txt]"])
    folder.create(config, {})
    lines: list[dict[str, Any]] = [
        {"step": step, "epoch": 0, "loss": 4.0 / step, "learning_rate": 1e-3, "skipped": 0}
        for step in range(1, 5)
    ]
    for epoch, value in enumerate((0.4, 0.25, 0.3)):
        means = {"abs_rel": value, "d1": 0.5, "rmse": 6.0}
        of_drives = {"all": means, "p": means, "q": {**means, "abs_rel": 2 * value}}
        lines.append(
            {"step": 4 + epoch, "epoch": epoch, "validation": of_drives, "mask_shares": [0.7, 0.3]}
        )
    text = "".join(json.dumps(line) + "\n" for line in lines)
    folder.metrics.write_text(text + '{"step": 9, "lo')  # killed while it wrote
    write_training_page(tmp_path / "page.html", folder.path)
    page = PageReader((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "run: AbsRel 0.2500 after epoch 2" in page.texts
    assert page.after("Best AbsRel ↓") == "0.2500"
    assert page.after("Loss") == "1.000"
    assert any(
        text.startswith("No frames are shown: ") and "gone.txt" in text for text in page.texts
    )
    assert "optimiser.batch_size" in page.texts
    start = page.texts.index("AbsRel by drive at the end, worst first")
    assert page.texts[start + 1 : start + 5] == ["q", "0.600", "p", "0.300"]
    assert {"line m1", "line m2"} <= {found["class"] for found in page.of("polyline")}
    folder.metrics.unlink()
    with pytest.raises(HmaDepthError, match=r"holds nothing yet: .* every run.log_every steps"):
        write_training_page(tmp_path / "page.html", folder.path)
    folder.metrics.write_text('{"step": 1, "loss": "much"}\n')
    with pytest.raises(HmaDepthError, match=r"metrics.jsonl, line 1, is not what train logs"):
        write_training_page(tmp_path / "page.html", folder.path)


@pytest.fixture
def depth_bag(tmp_path: Path) -> Path:
    """Images of two cameras; depth of four images of one, with masks and confidence."""
    path, start = tmp_path / "driven", 1_500_000_000_000_000_000
    names = ("/a/image", "/b/image", "/b/depth/image", "/b/confidence")
    masks = ("/b/attention/scale_1", "/b/attention/scale_8")
    rng = np.random.default_rng(0)
    with BagWriter(path) as bag:
        for topic in (*names, *masks):
            bag.add_topic(topic, IMAGE)
        for index in range(4):
            stamp = start + index * 10**8

            def write(topic: str, values: np.ndarray, encoding: str, stamp: int = stamp) -> None:
                bag.write(topic, stamp, image_message(values, encoding, stamp=stamp, frame="eye"))

            picture = rng.integers(0, 255, (12, 16, 3), np.uint8)
            other = image_message(picture, "rgb8", stamp=stamp + 7, frame="other")
            bag.write("/a/image", stamp, other)
            write("/b/image", np.full((12, 16, 3), 50 * index, np.uint8), "rgb8")
            depth = np.full((12, 16), 10.0 + index, np.float32)
            depth[:3] = np.nan
            write("/b/depth/image", depth, "32FC1")
            write("/b/confidence", np.full((12, 16), 0.25 * index, np.float32), "32FC1")
            for topic, weight in zip(masks, (0.25, 0.75), strict=True):
                write(topic, np.full((12, 16), weight, np.float32), "32FC1")
    return path


def test_frames_of_a_bag_belong_together(depth_bag: Path):
    with BagReader(depth_bag) as bag:
        (topics,) = recorded_depths(bag)
        assert topics.image == "/b/image"  # not /a/image, whose stamps are others
        assert topics.masks == ("/b/attention/scale_8", "/b/attention/scale_1")
        stamps = depth_stamps(bag, topics)
        found = frame_arrays(bag, topics, stamps[2:3])[stamps[2]]
    assert found.image is not None
    assert (found.image == 100).all()
    assert found.attention is not None
    assert found.attention[:, 0, 0].tolist() == [0.75, 0.25]
    assert found.confidence is not None
    assert (found.confidence == 0.5).all()
    assert found.depth[5, 5] == 12
    assert found.points is None  # no camera_info


def test_the_page_of_a_bag(depth_bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "page.html"
    assert run_command("report", [str(depth_bag), "--output", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    page = PageReader(out.read_text(encoding="utf-8"))
    assert page.after("Depth images") == "4"
    shown = page.of("img")
    assert [found["data-layer"] for found in shown[:4]] == ["image", "depth", "masks", "confidence"]
    assert len(shown) == 4 * 4
    dots = [f["points"] for f in page.of("polyline")]
    heights = [float(place.split(",")[1]) for place in dots[1].split()]
    height = BOTTOM + (TOP - BOTTOM) * 75 / 80  # 75 % of the pixels, on an axis to 80 %
    assert heights == pytest.approx([height] * 4, abs=0.1)
    assert "0.30 s" in page.texts


def test_an_evaluation_writes_the_page_that_report_writes_of_its_files(tmp_path: Path):
    truth = np.full((40, 60), 10.0)
    for name, depth in (("d1_sync_0000000001", 11.0), ("d1_sync_0000000002", 14.0)):
        write_depth_png(tmp_path / "truth" / f"{name}.png", truth)
        write_depth_png(tmp_path / "predictions" / f"{name}.png", np.full((40, 60), depth))
    folders = ("--predictions", tmp_path / "predictions", "--ground-truth", tmp_path / "truth")
    files = ("--json", tmp_path / "o.json", "--panels", tmp_path / "panels")
    outs = ("--report", tmp_path / "now.html", "--panel-count", 1, "--protocols", "full")
    assert run_command("evaluate_kitti", list(map(str, (*folders, *files, *outs)))) == 0
    later = ("--panels", tmp_path / "panels", "--output", tmp_path / "later.html")
    assert run_command("report", list(map(str, (tmp_path / "o.json", *later)))) == 0
    now, after = ((tmp_path / f"{name}.html").read_text("utf-8") for name in ("now", "later"))
    assert now == after
    page = PageReader(now)
    assert [text for text in page.texts if text in {"worst", "best"}] == ["worst", "best"]
    assert page.after("worst") == page.texts[page.texts.index("worst") + 1]
    assert page.texts[page.texts.index("worst") + 2] == "AbsRel 0.400"
    assert [found["data-layer"] for found in page.of("img")] == ["truth", "depth", "error"] * 2


def test_what_report_cannot_use_is_named(
    tmp_path: Path, depth_bag: Path, capsys: pytest.CaptureFixture[str]
):
    def error(*arguments: object) -> str:
        argv = [*map(str, arguments), "--output", str(tmp_path / "o.html")]
        assert run_command("report", argv) == 2
        assert not (tmp_path / "o.html").exists()
        return capsys.readouterr().err

    assert error(tmp_path / "none") == f"report: no such file or folder: {tmp_path / 'none'}\n"
    assert "--panels goes with the JSON" in error(depth_bag, "--panels", tmp_path)
    some = tmp_path / "some.json"
    some.write_text("nothing")
    assert "is neither a bag, a training run nor JSON" in error(some)
    some.write_text("[1]")
    assert "holds no figures" in error(some)
    some.write_text('{"run": {}}')
    assert "some.json holds no figures of an evaluation" in error(some)
    content = evaluation(sigma=False)
    del content["full_cap80"]["by_drive"]
    some.write_text(json.dumps(content))
    assert "some.json is not what evaluate_* --json writes: full_cap80.by_drive" in error(some)
    (tmp_path / "empty").mkdir()
    assert "report: " in error(tmp_path / "empty")


def test_the_pictures_of_a_bag_that_is_scored_have_all_that_is_beside_the_depth(
    depth_bag: Path, tmp_path: Path
):
    truth = ("--depth-topic", "/b/depth/image", "--ground-truth-topic", "/b/depth/image")
    outs = ("--protocols", "full", "--report", tmp_path / "o.html", "--panel-count", 1)
    assert run_command("evaluate_bag", list(map(str, (depth_bag, *truth, *outs)))) == 0
    page = PageReader((tmp_path / "o.html").read_text(encoding="utf-8"))
    assert page.after("AbsRel ↓") == "0.000"
    shown = [found["data-layer"] for found in page.of("img")]
    assert shown[: len(LAYERS)] == list(LAYERS)
