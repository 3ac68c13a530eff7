"""The node's state as a `DiagnosticArray`."""

from __future__ import annotations

from collections.abc import Mapping

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from hma_depth_ros.ros.statistics import Snapshot


def diagnostic_array(
    *,
    stamp: Time,
    name: str,
    state: str,
    failure: str,
    problems: list[str],
    snapshot: Snapshot,
    setup: Mapping[str, str],
) -> DiagnosticArray:
    """One status: OK, WARN with the problems or ERROR with the failure; figures as key and value.

    Args:
        stamp: of the node's clock.
        name: of the node.
        state: of its life cycle.
        failure: why the last transition did not succeed; empty if it did.
        problems: sentences; empty if all is well.
        snapshot: of the frame statistics.
        setup: engine, device, checkpoint and so on.

    """
    level = DiagnosticStatus.WARN if problems else DiagnosticStatus.OK
    status = DiagnosticStatus(
        level=DiagnosticStatus.ERROR if failure else level,
        name=f"{name}: depth",
        message="; ".join([failure, *problems] if failure else problems) or state,
        hardware_id=setup.get("device", ""),
        values=[KeyValue(key=key, value=value) for key, value in _figures(snapshot, state).items()]
        + [KeyValue(key=key, value=value) for key, value in setup.items()],
    )
    array = DiagnosticArray(status=[status])
    array.header.stamp = stamp
    return array


def _figures(snapshot: Snapshot, state: str) -> dict[str, str]:
    figures = {
        "state": state,
        "frames received": str(snapshot.received),
        "frames processed": str(snapshot.processed),
        "frames dropped": str(sum(snapshot.dropped.values())),
        **{f"dropped: {cause}": str(count) for cause, count in sorted(snapshot.dropped.items())},
        "rate [Hz]": f"{snapshot.rate:.2f}",
    }
    if snapshot.latency is not None:
        figures |= {f"latency {k} [ms]": f"{1e3 * v:.2f}" for k, v in snapshot.latency.items()}
    if snapshot.age is not None:
        figures["frame age mean [s]"] = f"{snapshot.age:.4f}"
    return figures | {f"stage {k} [ms]": f"{1e3 * v:.3f}" for k, v in snapshot.stages.items()}
