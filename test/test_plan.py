"""At what size the network sees an image."""

from __future__ import annotations

import pytest

from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.plan import kitti_benchmark_crop, plan_input

KITTI = (375, 1242)


@pytest.mark.parametrize(
    ("image_size", "input_width", "network_size"),
    [
        (KITTI, 512, (160, 512)),  # of 155 rows: stretched, not padded
        (KITTI, 608, (192, 608)),  # of 184
        (KITTI, 544, (160, 544)),  # of 164: squeezed
        (KITTI, 620, (192, 620)),  # the width is as it was asked for
        ((480, 640), 512, (384, 512)),
        ((94, 310), 155, (47, 155)),  # 32 rows would be a third less
        ((8, 310), 310, (8, 310)),
        ((36, 64), 64, (32, 64)),  # an eighth of 32 more
        ((37, 64), 64, (37, 64)),
        (KITTI, None, KITTI),
    ],
)
def test_rows_are_the_next_multiple_of_32_if_it_is_near(
    image_size: tuple[int, int], input_width: int | None, network_size: tuple[int, int]
):
    assert plan_input(image_size, input_width=input_width).network_size == network_size


def test_the_regions_rows_count():
    # Those of the benchmark's crop: 176, halfway between two multiples.
    crop = kitti_benchmark_crop(width=1242, height=375)
    plan = plan_input(KITTI, region=crop, input_width=608)
    assert plan.network_size == (192, 608)
    camera = plan.network_camera(PinholeCamera(720.0, 720.0, 609.5, 172.8, 1242, 375))
    assert (camera.fx, camera.fy) == pytest.approx((360.0, 720 * 192 / 352))
