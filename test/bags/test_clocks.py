"""Stamps of two clocks, or of two recordings: what each looks like, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from hma_depth_ros.bags.to_dataset.clocks import (
    TopicTimes,
    check_clocks,
    check_stamps,
    drive_starts,
)
from hma_depth_ros.errors import HmaDepthError

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
#: 30 s at 10 Hz, recorded 20 to 40 ms later; now and then half a second, as while a disk is busy.
TIMES = START + np.arange(300) * SECOND // 10
LATE = np.random.default_rng(0).integers(20_000_000, 40_000_000, TIMES.size)
LATE[::17] += SECOND // 2


def topic(name: str, ahead: object = 0, *, late: object = LATE) -> TopicTimes:
    """Messages whose stamps are so many seconds ahead of the time at which they were taken."""
    stamps = TIMES + (np.asarray(ahead, np.float64) * SECOND).astype(np.int64)
    return TopicTimes(name, stamps, TIMES + np.asarray(late))


CAMERA = topic("/camera")


def test_delays_of_a_recorder_are_no_clocks():
    check_stamps(CAMERA, topic("/lidar"))
    assert check_clocks(CAMERA, topic("/lidar", late=np.roll(LATE, 5))) is None
    # A LiDAR that was switched on and off in between: what it says, it says by the same clock.
    lidar = topic("/lidar")
    some = TopicTimes("/lidar", lidar.stamps[50:120], lidar.recorded[50:120])
    assert check_clocks(CAMERA, some) is None


def test_clocks_apart_are_told_by_how_much():
    with pytest.raises(HmaDepthError, match=r"is 3\.00 s ahead of .*--time-offset -3\.000"):
        check_clocks(CAMERA, topic("/lidar", 3))
    with pytest.raises(HmaDepthError, match=r"is 1700000000\.00 s behind .*--time-offset 17000000"):
        check_clocks(CAMERA, topic("/lidar", -1_700_000_000))
    asked = check_clocks(CAMERA, topic("/lidar", -0.4))
    assert asked is not None and "--time-offset 0.400 corrects it" in asked


@pytest.mark.parametrize(
    "ahead", [np.linspace(0, 6, TIMES.size), np.where(np.arange(TIMES.size) < 260, 0, 5)]
)
def test_clocks_that_run_apart_have_no_offset(ahead: object):
    with pytest.raises(HmaDepthError, match=r"goes differently .* no --time-offset corrects that"):
        check_clocks(CAMERA, topic("/lidar", ahead))


def test_both_clocks_set_anew_together_are_one():
    ahead = np.where(np.arange(TIMES.size) < 150, 0, -100)
    images, scans = topic("/camera", ahead), topic("/lidar", ahead)
    check_stamps(images, scans)
    assert check_clocks(images, scans) is None
    assert drive_starts(images.stamps).tolist() == [150]


def test_where_nothing_was_recorded_ranges_tell():
    """A bag that was written of files has no times but the stamps."""

    def written(times: TopicTimes) -> TopicTimes:
        return TopicTimes(times.topic, times.stamps, times.stamps)

    images = written(CAMERA)
    assert check_clocks(images, written(topic("/lidar", 0.03))) is None
    with pytest.raises(HmaDepthError, match=r"is 3\.00 s ahead of .* both begin and end so"):
        check_clocks(images, written(topic("/lidar", 3)))
    # Switched on late, or off early: one end agrees.
    for part in (slice(50, None), slice(None, 200)):
        lidar = TopicTimes("/lidar", TIMES[part], TIMES[part])
        assert check_clocks(images, lidar) is None


def test_stamps_that_match_nothing_are_refused():
    with pytest.raises(HmaDepthError, match="all 300 messages on /lidar have the stamp 0"):
        check_stamps(CAMERA, TopicTimes("/lidar", TIMES * 0, TIMES))
    again = np.where(np.arange(TIMES.size) < 150, 0, -12)
    with pytest.raises(HmaDepthError, match=r"go back by 11\.9 s to 1700000003\.0.*before"):
        check_stamps(topic("/camera", again), topic("/lidar", again))
    played = np.sort(np.r_[TIMES[:150], TIMES[:150]])
    with pytest.raises(HmaDepthError, match="150 of 300 images on /camera have the stamp of anoth"):
        check_stamps(TopicTimes("/camera", played, played), topic("/lidar"))
