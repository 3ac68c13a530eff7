#!/usr/bin/env bash
# Run a command where ROS and the package are in reach.
set -e
. /ws/install/setup.bash --
exec "$@"
