"""Print the path of the Fast DDS profile for large messages, for a camera driver's environment."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    argparse.ArgumentParser(prog="transport_profile", description=__doc__).parse_args(argv)
    from hma_depth_ros.errors import HmaDepthError
    from hma_depth_ros.ros.transport import large_message_profile

    profile = large_message_profile()
    if profile is None:
        raise HmaDepthError(
            "ROS does not run on Fast DDS here: no other middleware needs a profile"
        )
    print(profile)
    return 0
