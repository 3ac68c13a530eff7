"""The node's state as a `DiagnosticArray`."""

from __future__ import annotations

from collections.abc import Mapping

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from hma_depth_ros.ros.depth_node.statistics import Snapshot


def diagnostic_array(
    *,
    stamp: Time,
    name: str,
    state: str,
    failure: str,
    problems: list[str],
    snapshot: Snapshot,
    setup: Mapping[str, str],
    hardware_id: str,
    lost: int | None,
) -> DiagnosticArray:
    """One status: OK, WARN with the problems or ERROR with the failure; figures as key and value.

    Args:
        stamp: of the node's clock.
        name: of the node, fully qualified: an aggregator keeps one status of each name.
        state: of its life cycle.
        failure: why the last transition did not succeed; empty if it did.
        problems: sentences; empty if all is well.
        snapshot: of the frame statistics.
        setup: engine, device, checkpoint and so on.
        hardware_id: what the status is about.
        lost: images that did not get here; None where the middleware does not say.

    """
    level = DiagnosticStatus.WARN if problems else DiagnosticStatus.OK
    status = DiagnosticStatus(
        level=DiagnosticStatus.ERROR if failure else level,
        name=f"{name}: depth",
        message="; ".join([failure, *problems] if failure else problems) or state,
        hardware_id=hardware_id,
        values=[
            KeyValue(key=key, value=value)
            for key, value in (_figures(snapshot, state, lost) | dict(setup)).items()
        ],
    )
    array = DiagnosticArray(status=[status])
    array.header.stamp = stamp
    return array


def _figures(snapshot: Snapshot, state: str, lost: int | None) -> dict[str, str]:
    figures = {
        "state": state,
        "frames received": str(snapshot.received),
        "frames processed": str(snapshot.processed),
    }
    fates = {"dropped": snapshot.dropped, "skipped": snapshot.skipped, "failed": snapshot.failed}
    for fate, counts in fates.items():
        figures[f"frames {fate}"] = str(sum(counts.values()))
        figures |= {f"{fate}: {cause}": str(count) for cause, count in sorted(counts.items())}
    figures["frames waiting"] = str(snapshot.waiting)
    if lost is not None:
        figures["images lost in transport"] = str(lost)
    figures["rate [Hz]"] = f"{snapshot.rate:.2f}"
    if snapshot.latency is not None:
        figures |= {f"latency {k} [ms]": f"{1e3 * v:.2f}" for k, v in snapshot.latency.items()}
    if snapshot.age is not None:
        figures["frame age mean [s]"] = f"{snapshot.age:.4f}"
    return figures | {f"stage {k} [ms]": f"{1e3 * v:.3f}" for k, v in snapshot.stages.items()}
