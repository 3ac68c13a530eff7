"""The node's state as a `DiagnosticArray`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from hma_depth_ros.ros.depth_node.statistics import Snapshot


@dataclass(frozen=True)
class CameraStatus:
    """How one camera of a node is."""

    name: str  #: empty for a node's only one
    hardware_id: str  #: what it is; empty: the device that infers
    problems: list[str]  #: sentences; empty if all is well
    snapshot: Snapshot  #: of the frame statistics
    lost: int | None  #: images that did not get here; None where the middleware does not say


def diagnostic_array(
    cameras: Iterable[CameraStatus],
    *,
    stamp: Time,
    name: str,
    state: str,
    failure: str,
    setup: Mapping[str, str],
) -> DiagnosticArray:
    """A status of each camera: OK, WARN with its problems or ERROR with the failure; its figures.

    Args:
        cameras: of the node.
        stamp: of the node's clock.
        name: of the node, fully qualified: an aggregator keeps one status of each name.
        state: of its life cycle.
        failure: why the last transition did not succeed; empty if it did.
        setup: engine, device, checkpoint and so on.

    """
    array = DiagnosticArray()
    array.header.stamp = stamp
    for camera in cameras:
        problems = camera.problems
        level = DiagnosticStatus.WARN if problems else DiagnosticStatus.OK
        figures = _figures(camera.snapshot, state, camera.lost) | dict(setup)
        array.status.append(
            DiagnosticStatus(
                level=DiagnosticStatus.ERROR if failure else level,
                name=f"{name}: depth {camera.name}".rstrip(),
                message="; ".join([failure, *problems] if failure else problems) or state,
                hardware_id=camera.hardware_id or setup.get("device", ""),
                values=[KeyValue(key=key, value=value) for key, value in figures.items()],
            )
        )
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
    figures["frames with NaN of the network"] = str(snapshot.undefined)
    if lost is not None:
        figures["images lost in transport"] = str(lost)
    figures["rate [Hz]"] = f"{snapshot.rate:.2f}"
    if snapshot.latency is not None:
        figures |= {f"latency {k} [ms]": f"{1e3 * v:.2f}" for k, v in snapshot.latency.items()}
    if snapshot.age is not None:
        figures["frame age mean [s]"] = f"{snapshot.age:.4f}"
    return figures | {f"stage {k} [ms]": f"{1e3 * v:.3f}" for k, v in snapshot.stages.items()}
