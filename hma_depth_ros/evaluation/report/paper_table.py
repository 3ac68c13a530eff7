"""The paper's Table I, for tables beside our own figures."""

from __future__ import annotations

#: What Table I was measured on, and how.
TABLE_1_PROTOCOL = "bts, cap 80 m, Eigen test, 652 frames"
TABLE_1_METRICS = ("d1", "d2", "d3", "abs_rel", "rmse", "rmse_log")

#: Rows of Table I (Niu et al., 2021), KITTI, by `TABLE_1_METRICS`.
TABLE_1 = {
    "Make3D": (0.601, 0.820, 0.926, 0.280, 8.734, 0.361),
    "Eigen et al.": (0.702, 0.898, 0.967, 0.203, 6.307, 0.282),
    "Liu et al.": (0.680, 0.898, 0.967, 0.201, 6.471, 0.273),
    "Kuznietsov et al.": (0.862, 0.960, 0.986, 0.113, 4.621, 0.189),
    "Yin et al.": (0.938, 0.990, 0.998, 0.072, 3.258, 0.117),
    "DORN": (0.932, 0.984, 0.994, 0.072, 2.727, 0.120),
    "BTS-ResNet 50": (0.950, 0.991, 0.998, 0.062, 2.878, 0.101),
    "BTS-DenseNet 161": (0.952, 0.992, 0.998, 0.062, 2.871, 0.094),
    "HMA-Depth-ResNet 50": (0.953, 0.992, 0.998, 0.062, 2.870, 0.096),
    "HMA-Depth-ResNeXt 50": (0.951, 0.992, 0.998, 0.062, 2.867, 0.094),
    "HMA-Depth-DenseNet 121": (0.952, 0.991, 0.998, 0.063, 2.874, 0.096),
    "HMA-Depth-DenseNet 161": (0.955, 0.993, 0.998, 0.060, 2.850, 0.092),
}
