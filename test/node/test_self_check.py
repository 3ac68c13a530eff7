"""Before the first frame the engine is compared with the network in fp32."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from hma_depth_ros.inference.engines import self_check
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.engines.self_check import SelfCheck
from hma_depth_ros.inference.predictor import DepthPredictor

from .conftest import StartBench
from .graph import CAMERA, Bench, info_message, noise, pixels_of, rgb_message


def depth_of(bench: Bench) -> Any:
    bench.listen("depth/image")
    return pixels_of(bench.infer(rgb_message(1), info_message())["depth/image"])


def test_half_precision_is_checked(
    start: StartBench, predictor: DepthPredictor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(self_check.TOLERANCES, "bf16", 0.05)
    bench = start(precision="bf16")
    figures = bench.figures()
    assert figures["precision"] == "bf16"
    found = re.fullmatch(r"passed, median deviation (\S+) of 5e-02 allowed", figures["self-check"])
    assert found, figures["self-check"]
    assert 1e-5 < float(found[1]) < 0.05
    assert bench.said() == []
    bench.hears(figures["self-check"], level=20)

    expected = predictor.predict(noise(), CAMERA).depth
    assert expected is not None
    depth = depth_of(bench)
    assert not np.array_equal(depth, expected)
    np.testing.assert_allclose(depth, expected, rtol=0.1)


def test_beyond_tolerance_fp32_takes_over(
    start: StartBench, predictor: DepthPredictor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(self_check.TOLERANCES, "bf16", 0.0)
    bench = start(precision="bf16")
    warning = bench.hears("falling back to precision:=fp32")
    assert re.match("torch in bf16 on cpu .*does not reproduce the network", warning)
    assert len(bench.said()) == 1
    figures = bench.figures()
    assert figures["precision"] == "fp32"
    assert figures["self-check"].startswith("failed, median deviation")
    expected = predictor.predict(noise(), CAMERA).depth
    np.testing.assert_array_equal(depth_of(bench), expected)


@pytest.mark.parametrize(
    ("parameters", "outcome"),
    [
        ({"precision": "fp32"}, "is the reference"),
        ({"precision": "bf16", "self_check": False}, "off"),
        ({"precision": "fp32", "self_check": False}, "off"),
    ],
)
def test_no_check_where_there_is_nothing_to_compare(
    start: StartBench,
    monkeypatch: pytest.MonkeyPatch,
    parameters: dict[str, Any],
    outcome: str,
):
    monkeypatch.setattr(ModelSource, "check", lambda *_: pytest.fail("was checked"))
    bench = start(inputs={"publish": False}, **parameters)
    assert bench.state() == "active"
    assert bench.figures()["self-check"] == outcome


def test_not_a_number_does_not_pass():
    assert SelfCheck(deviation=0.01, tolerance=0.01).passed
    assert not SelfCheck(deviation=0.011, tolerance=0.01).passed
    assert not SelfCheck(deviation=float("nan"), tolerance=1.0).passed
