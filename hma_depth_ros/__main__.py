"""`python3 -m hma_depth_ros NAME ...`: every executable without an installed ROS workspace."""

from __future__ import annotations

import sys

from hma_depth_ros.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
