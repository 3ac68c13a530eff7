"""Each degraded mode of a camera begins, is named in the diagnostics with its level, and ends."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.context import Context

from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.engines import self_check
from hma_depth_ros.inference.plausibility import UPRIGHT
from hma_depth_ros.inference.self_check_image import self_check_image
from hma_depth_ros.ros.depth_node.degraded_modes import (
    ENDS_BELOW,
    LEAST_IMAGES,
    CameraFacts,
    DegradedModes,
    Mode,
    Severity,
)
from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters
from hma_depth_ros.ros.depth_node.plausibility_watch import PlausibilityWatch

from .conftest import Predictions, StartBench
from .graph import Bench, image_message, info_message, noise, rgb_message, until
from .test_rig import RigBench

OK, WARN, ERROR = b"\x00", b"\x01", b"\x02"

NOTHING_WRONG = CameraFacts(
    arrived=0,
    through=0,
    replaced=0,
    unpaired=0,
    lost=0,
    quiet=0.0,
    calibrated=True,
    fallback="",
    deviates=False,
    implausible="",
    stalled="",
)
LIMITS = DepthNodeParameters(stale_after=1.0, warn_dropped=0.5, warn_lost=0.1, share_window=4.0)


class Judged:
    """Modes at each look, one a second."""

    def __init__(self) -> None:
        self.modes = DegradedModes()
        self.now = 1000.0
        self.facts = NOTHING_WRONG

    def after(self, seconds: float = 1.0, **changes: Any) -> dict[Mode, Severity]:
        """Change the facts, counts by so much, and look."""
        self.now += seconds
        for name, change in changes.items():
            count = type(change) is int
            value = getattr(self.facts, name) + change if count else change
            self.facts = replace(self.facts, **{name: value})
        found = self.modes.look(self.facts, LIMITS, self.now)
        return {degradation.mode: degradation.severity for degradation in found}


@pytest.fixture
def judged() -> Judged:
    """A camera that was looked at once."""
    camera = Judged()
    assert camera.after() == {}
    return camera


def test_stale_is_an_error_beyond_its_seconds(judged: Judged):
    assert judged.after(quiet=1.0) == {}
    assert judged.after(quiet=1.01) == {Mode.STALE: Severity.ERROR}
    assert judged.after(quiet=0.2) == {}
    never = replace(LIMITS, stale_after=0.0)
    assert DegradedModes().look(replace(NOTHING_WRONG, quiet=1e9), never, 0.0) == []


def test_shares_are_judged_over_a_whole_window(judged: Judged):
    """6 of 10 images a second give way: for 3 s it is not known yet, and a window later over."""
    for _ in range(3):
        assert judged.after(arrived=10, replaced=6) == {}
    assert judged.after(arrived=10, replaced=6) == {Mode.OVERLOADED: Severity.WARN}
    # 18, 12, 6 of 40: the window slides.
    assert judged.after(arrived=10) == {Mode.OVERLOADED: Severity.WARN}, "18 of 40: 0.45"
    assert judged.after(arrived=10) == {}
    assert judged.after(arrived=10, replaced=10) == {}, "16 of 40"


def test_a_share_that_has_been_above_its_limit_must_fall_well_below(judged: Judged):
    for _ in range(4):
        judged.after(arrived=100, replaced=51)
    just_above = 100 * LIMITS.warn_dropped * ENDS_BELOW + 1
    for _ in range(6):
        assert Mode.OVERLOADED in judged.after(arrived=100, replaced=int(just_above))
    for _ in range(4):
        found = judged.after(arrived=100, replaced=int(just_above) - 1)
    assert found == {}
    for _ in range(6):
        assert judged.after(arrived=100, replaced=50) == {}, "not above its limit"


def test_few_images_make_no_share(judged: Judged):
    assert LEAST_IMAGES == 5
    for fate, mode in (("replaced", Mode.OVERLOADED), ("lost", Mode.TRANSPORT_LOSS)):
        arrived = 1 if fate == "replaced" else 0
        for _ in range(5):
            assert judged.after(arrived=arrived, **{fate: 1}) == {}, "4 in the window"
        found = judged.after(arrived=2 * arrived, **{fate: 2})
        assert found == {mode: Severity.WARN}, "5 in the window"
        judged.after(60.0)


def test_losses_count_beside_what_arrives(judged: Judged):
    """12 of 112 are more than a tenth, and 11 of 111 are not."""
    for _ in range(3):
        assert judged.after(arrived=25, lost=3) == {}, "not a whole window yet"
    assert judged.after(arrived=25, lost=3) == {Mode.TRANSPORT_LOSS: Severity.WARN}
    for _ in range(4):
        found = judged.after(arrived=25)
    assert found == {}
    judged.after(arrived=100, lost=11)
    for _ in range(3):
        assert judged.after() == {}
    assert judged.after(4.0, arrived=90, lost=10) == {}, "a tenth is not more than a tenth"
    assert judged.after(lost=None) == {}, "nobody counts"


def test_a_period_longer_than_the_window_is_the_window(judged: Judged):
    assert judged.after(60.0, arrived=10, replaced=9) == {Mode.OVERLOADED: Severity.WARN}
    assert judged.after(60.0, arrived=10) == {}


def test_uncalibrated_is_an_error(judged: Judged):
    assert judged.after(calibrated=None) == {}
    assert judged.after(calibrated=False) == {Mode.UNCALIBRATED: Severity.ERROR}
    assert judged.after(calibrated=True) == {}
    assert judged.after(unpaired=1) == {Mode.UNCALIBRATED: Severity.ERROR}
    assert judged.after(unpaired=1, through=1) == {}, "some images have a calibration"


def test_a_fallback_is_an_error_only_where_nothing_is_right(judged: Judged):
    assert judged.after(fallback="too far off") == {Mode.ENGINE_FALLBACK: Severity.WARN}
    assert judged.after(deviates=True) == {Mode.ENGINE_FALLBACK: Severity.ERROR}
    assert judged.after(fallback="", deviates=False) == {}


# --- over DDS -----------------------------------------------------------------------------------


def modes(status: DiagnosticStatus) -> list[str]:
    """Names of the modes, as a planner would read them."""
    value = next(pair.value for pair in status.values if pair.key == "modes")
    return [] if value == "none" else value.split(", ")


def reaches(bench: Bench, mode: str, level: bytes) -> DiagnosticStatus:
    """Wait for the mode in value, message and level."""

    def found() -> DiagnosticStatus | None:
        status = bench.status()
        named = mode in modes(status) and f"{mode}: " in status.message
        return status if named and status.level == level else None

    status = until(found, f"the mode {mode}")
    assert status is not None
    return status


def is_well(bench: Bench) -> bool:
    status = bench.status()
    return status.level == OK and modes(status) == [] and status.message == "active"


def test_stale_begins_with_silence_and_ends_with_an_image(start: StartBench):
    """Whether there is a listener or not; and images that cannot be used are none."""
    bench = start(stale_after=0.3)
    reaches(bench, "stale", ERROR)
    assert bench.hears("stale").startswith(f"{bench.namespace}/image: stale: no image")
    timer = bench.tester.create_timer(0.05, lambda: bench.publish(rgb_message(1)))
    until(lambda: is_well(bench), "images")
    bench.hears("stale: no longer", level=20)
    bench.listen("depth/image")
    timer.cancel()
    broken = image_message(noise(), "rgb8")
    broken.step = 1
    timer = bench.tester.create_timer(0.05, lambda: bench.publish(broken))
    reaches(bench, "stale", ERROR)
    timer.cancel()
    assert bench.set(stale_after=0.0).successful
    until(lambda: "stale" not in modes(bench.status()), "the end of the mode by its parameter")
    assert bench.change("deactivate")
    assert bench.set(stale_after=0.01).successful
    status = bench.status()
    assert (status.level, status.message, modes(status)) == (WARN, "inactive", [])


def test_uncalibrated_ends_with_the_calibration(start: StartBench):
    bench = start(inputs={"publish_info": False})
    bench.listen("depth/image")
    bench.infer(rgb_message(1))
    status = reaches(bench, "uncalibrated", ERROR)
    assert "no camera_info has arrived" in status.message
    bench.info_publisher = bench.tester.create_publisher(type(info_message()), "camera_info", 10)
    bench.connect()
    bench.infer(rgb_message(2), info_message())
    until(lambda: is_well(bench), "the end of it")


def test_overloaded_while_images_give_way(start: StartBench, predictions: Predictions):
    """The network is held back while images come; then it keeps up with them."""
    bench = start(share_window=0.5)
    bench.listen("depth/image")
    bench.publish(info_message())
    predictions.hold()
    timer = bench.tester.create_timer(0.02, lambda: bench.publish(rgb_message(1)))
    status = reaches(bench, "overloaded", WARN)
    assert "gave way to newer ones" in status.message
    assert bench.hears("overloaded").startswith(f"{bench.namespace}/image: overloaded: ")
    timer.cancel()
    predictions.release()
    until(lambda: is_well(bench), "the end of it")
    bench.hears("overloaded: no longer", level=20)


def test_an_engine_that_gives_way_to_another(start: StartBench, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setitem(self_check.TOLERANCES, "bf16", 0.0)
        bench = start(precision="bf16", inputs={"publish": False})
        status = reaches(bench, "engine_fallback", WARN)
        assert "torch in bf16 on cpu" in status.message
    assert bench.change("deactivate")
    assert bench.change("cleanup")
    assert bench.set(precision="fp32").successful
    assert bench.change("configure")
    assert bench.change("activate")
    until(lambda: is_well(bench), "the engine that was wanted")


def test_each_camera_of_a_rig_has_its_own_modes(context: Context, checkpoint: Path):
    """And its own limits, where it is given any."""
    parameters = {
        "checkpoint": str(checkpoint),
        "engine": "torch",
        "precision": "fp32",
        "cameras": ["front", "rear"],
        "diagnostics_period": 0.05,
        "stale_after": 0.2,
        "rear.stale_after": 1000.0,
    }
    bench = RigBench(context, parameters, arguments=())
    try:
        until(lambda: modes(bench.account("front")) == ["stale"], "the silence in front")
        assert bench.account("front").level == ERROR
        assert (bench.account("rear").level, modes(bench.account("rear"))) == (OK, [])
    finally:
        bench.close()


def test_min_confidence_without_confidence_is_said_to_be_ignored(start: StartBench):
    """The tiny model of the tests has no head for its error."""
    bench = start(inputs={"publish": False}, min_confidence=0.5)
    assert bench.hears("min_confidence: is ignored, for this network does not estimate its error")
    until(lambda: bench.status().level == WARN, "the warning in the diagnostics")
    assert "min_confidence" in bench.status().message
    assert bench.set(min_confidence=0.0).successful
    until(lambda: is_well(bench), "the end of it")
    assert bench.set(min_confidence=0.25).successful
    until(lambda: "min_confidence" in bench.status().message, "it again")
    assert len(bench.said()) == 1


# --- implausible --------------------------------------------------------------------------------

RANGES = {"far": (3.0, 4.0)}


def judge(watch: PlausibilityWatch, *values: float, frames: int = 3) -> list[bool]:
    """Whether depth is implausible after each frame."""
    states = []
    for value in values:
        watch.take({"far": value}, RANGES, beyond=0.5, frames=frames)
        states.append(bool(watch.reason))
    return states


def test_implausible_begins_and_ends_after_frames_in_a_row():
    watch = PlausibilityWatch()
    assert judge(watch, 2.4, 2.4, 3.5, 2.4, 2.4) == [False] * 5, "one that is usual begins anew"
    assert judge(watch, 2.4) == [True]
    assert "far is 2.40, and was 3.00 to 4.00" in watch.reason
    assert judge(watch, 2.5, 2.5, 4.6, 3.0, 4.0) == [True] * 5, "2.5 is no farther than 0.5 widths"
    assert judge(watch, 3.0) == [False]
    assert judge(watch, *[math.nan] * 3) == [False, False, True]
    assert "no finite number" in watch.reason
    assert judge(watch, 2.0, frames=0) == [False], "0 is never"
    assert judge(watch, 2.0, 2.0) == [False, False]
    assert judge(watch, 2.0, frames=0) == [False]
    assert judge(watch, 2.0, 2.0, 2.0) == [False, False, True], "and begins anew"
    assert judge(PlausibilityWatch(), 2.5, 4.5, 2.5) == [False] * 3, "no farther than 0.5 widths"


def test_three_looks_at_the_turned_image_must_agree():
    """For one a lorry may stand in the way; and what the looks say holds for the frames between."""
    ranges = {UPRIGHT: (0.25, 1.25)}
    watch = PlausibilityWatch()
    assert [watch.turn_is_due(ranges, now) for now in (7.0, 8.0, 11.9, 12.0, 16.9)] == [
        *(True, False, False, True, False)
    ]
    assert not PlausibilityWatch().turn_is_due({"far": (0.0, 1.0)}, 0.0)

    def after(*looks: float | None) -> list[bool]:
        states = []
        for look in looks:
            traits = {} if look is None else {UPRIGHT: look}
            watch.take(traits, ranges, beyond=0.5, frames=1)
            states.append(bool(watch.reason))
        return states

    assert after(-0.3, None, -0.3, None, 0.5, -0.3) == [False] * 6
    assert after(-0.3, math.nan, -0.3, None) == [False, False, True, True]
    assert after(0.0) == [False]


def test_a_model_without_ranges_calls_nothing_implausible():
    watch = PlausibilityWatch()
    for _ in range(10):
        watch.take({"far": 0.0}, {}, beyond=0.0, frames=1)
    assert watch.reason == ""


def test_implausible_and_stalled_are_errors(judged: Judged):
    assert judged.after(implausible="too near") == {Mode.IMPLAUSIBLE: Severity.ERROR}
    assert judged.after(implausible="", stalled="for ever") == {Mode.ENGINE_STALLED: Severity.ERROR}
    assert judged.after(stalled="") == {}


def test_a_covered_lens_is_implausible_until_it_is_free(start: StartBench):
    """By the bundled network, on a street; and the planner may listen to the cloud alone."""
    bench = start(checkpoint="", implausible_frames=2)
    street = self_check_image()
    height, width = street.shape[:2]
    camera = PinholeCamera.from_focal_length(0.58 * width, width=width, height=height)
    bench.listen("points")
    bench.infer(image_message(street, "rgb8", number=1), info_message(camera))
    for number in (2, 3):
        bench.infer(image_message(np.zeros_like(street), "rgb8", number=number))
    status = reaches(bench, "implausible", ERROR)
    assert modes(status) == ["implausible"]
    assert bench.hears("implausible").startswith(f"{bench.namespace}/image: implausible: ")
    for number in (4, 5):
        bench.infer(image_message(street, "rgb8", number=number))
    # A silence after the last image is no business of this test.
    until(lambda: modes(bench.status()) == [], "a street again")
    bench.hears("implausible: no longer", level=20)


def test_a_model_without_ranges_is_asked_for_no_sample(start: StartBench, predictions: Predictions):
    bench = start()
    bench.listen("depth/image")
    bench.infer(rgb_message(1), info_message())
    assert predictions.outputs == [{"depth"}]
