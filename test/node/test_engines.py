"""The node runs the engine it is told to, or the fastest that is there."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from hma_depth_ros.inference.predictor import DepthPredictor

from .conftest import StartBench
from .graph import CAMERA, info_message, noise, pixels_of, rgb_message


@pytest.mark.parametrize("engine", ["openvino", "auto"])
def test_openvino_runs_the_network(start: StartBench, predictor: DepthPredictor, engine: str):
    pytest.importorskip("openvino")
    bench = start(engine=engine, precision="fp32", threads=1)
    figures = bench.figures()
    assert (figures["engine"], figures["precision"]) == ("openvino", "fp32")
    assert figures["device"].startswith("CPU ")
    assert figures["self-check"].startswith("passed, median deviation")
    assert bench.said() == []
    bench.listen("depth/image")
    depth = pixels_of(bench.infer(rgb_message(1), info_message())["depth/image"])
    expected = predictor.predict(noise(), CAMERA).depth
    assert expected is not None
    np.testing.assert_allclose(depth, expected, rtol=1e-4)


def test_a_missing_engine_is_an_error_only_if_asked_for(
    start: StartBench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert start(engine="auto").figures()["engine"] == "torch"
    bench = start(engine="openvino", inputs={"publish": False})
    assert bench.state() == "unconfigured"
    bench.hears("pip install openvino")


def test_an_exported_file_is_a_checkpoint(
    start: StartBench, checkpoint: Path, predictor: DepthPredictor, tmp_path: Path
):
    pytest.importorskip("openvino")
    from hma_depth_ros.inference.engines.export import export_model

    size = predictor.plan((CAMERA.height, CAMERA.width)).network_size
    path = tmp_path / "model.xml"
    export_model(checkpoint, path, kind="openvino", size=size)
    bench = start(checkpoint=str(path), engine="auto", precision="fp32")
    figures = bench.figures()
    assert (figures["engine"], figures["checkpoint"]) == ("openvino", str(path))
    assert figures["self-check"].startswith("passed, median deviation")
    bench.listen("depth/image")
    depth = pixels_of(bench.infer(rgb_message(1), info_message())["depth/image"])
    expected = predictor.predict(noise(), CAMERA).depth
    assert expected is not None
    np.testing.assert_allclose(depth, expected, rtol=1e-4)
