"""A data set of one's own: images, depth as 16-bit PNG, and a list that all commands take.

    python3 docs/examples/own_data_set.py RECORDINGS DATA

RECORDINGS holds NAME.npz with `image` uint8 (H, W, 3) RGB, `depth` (H, W) metres along the optical
axis (NaN, inf or 0: not known) and `K` 3x3 of the rectified image, whatever recorded them. DATA
becomes `image/NAME.png`, `depth/NAME.png` (metres times 256, 0: not known) and `frames.txt`, and
the bundled checkpoint is scored on it. It prints the list, and the table of `evaluate_kitti`:

    image/0000.png depth/0000.png 180.1000 180.1000 152.3000 42.9000
    ...
    4 frames in DATA/frames.txt, 91 % of their pixels with depth

`train --split DATA/frames.txt --hold-out ...` and `check_dataset` take the same list. Frames of one
folder count as one scene (bootstrap, `data.balance`): give each recording a folder of its own.
"""

import sys
from pathlib import Path

import numpy as np

from hma_depth_ros.cli import run
from hma_depth_ros.data.depth.depth_png import read_depth_png, write_depth_png
from hma_depth_ros.data.image_file import write_png
from hma_depth_ros.data.splits.split_file import SplitEntry, write_split
from hma_depth_ros.geometry.camera import Intrinsics

recordings, data = Path(sys.argv[1]), Path(sys.argv[2])
for folder in ("image", "depth"):
    (data / folder).mkdir(parents=True, exist_ok=True)
entries, known = [], []
for recording in sorted(recordings.glob("*.npz")):
    frame = np.load(recording, allow_pickle=False)
    image, depth = (Path(kind, f"{recording.stem}.png") for kind in ("image", "depth"))
    write_png(data / image, frame["image"])
    write_depth_png(data / depth, frame["depth"])
    (fx, _, cx), (_, fy, cy), _ = frame["K"].tolist()
    entries.append(SplitEntry(image, depth, fx, Intrinsics(fx, fy, cx, cy)))
    known.append((read_depth_png(data / depth) > 0).mean())

frames = data / "frames.txt"
write_split(frames, entries)
print(frames.read_text(encoding="utf-8"), end="")
share = 100 * np.mean(known)
print(f"{len(entries)} frames in {frames}, {share:.0f} % of their pixels with depth", flush=True)
score = ["--protocols", "full", "--caps", "80", "--json", str(data / "score.json")]
sys.exit(run(["evaluate_kitti", "--data", str(data), "--split", str(frames), *score]))
