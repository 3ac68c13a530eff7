"""Depth, masks and points of one image, without ROS, by the bundled checkpoint.

    python3 docs/examples/predict_depth.py IMAGE FX

FX is the focal length in pixels of the (rectified) image. It prints, for instance:

    depth (375, 1242): 3.9 to 77.2 m, median 13.07 m
    weight of the scales: 1/8 0.63, 1/4 0.17, 1/2 0.08, 1/1 0.12
    point of the middle pixel: x 0.04, y 0.00, z 54.76 m
"""

import sys
from pathlib import Path

import numpy as np

from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.predictor import DepthPredictor

image = read_rgb(Path(sys.argv[1]))  # uint8 (H, W, 3), RGB
height, width = image.shape[:2]
camera = PinholeCamera.from_focal_length(float(sys.argv[2]), width=width, height=height)
predictor = DepthPredictor.from_checkpoint()  # or a path
prediction = predictor.predict(image, camera)
depth, masks, points = prediction.depth, prediction.attention, prediction.points
assert depth is not None and masks is not None and points is not None  # all were asked for

span = f"{depth.min():.1f} to {depth.max():.1f} m, median {np.median(depth):.2f} m"
print(f"depth {depth.shape}: {span}")
shares = zip(predictor.scales, masks.mean((1, 2)), strict=True)  # coarse to fine
print("weight of the scales:", ", ".join(f"1/{scale} {share:.2f}" for scale, share in shares))
x, y, z = points[height // 2, width // 2]  # optical frame: right, down, forward
print(f"point of the middle pixel: x {x:.2f}, y {y:.2f}, z {z:.2f} m")
