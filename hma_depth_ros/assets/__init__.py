"""Files that come with the package; see `hma_depth_ros.inference.bundled`."""
