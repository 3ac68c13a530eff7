"""The node's state as a `DiagnosticArray`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from hma_depth_ros.ros.depth_node.degraded_modes import Degradation, Severity
from hma_depth_ros.ros.depth_node.statistics import Snapshot

#: What the values mean, for people: docs/node.md has the table. Words in capitals are open.
MEANINGS = {
    "state": "of the life cycle",
    "modes": "[that the camera is in](degraded_modes.md), with commas between them, or none",
    "frames received": "processed + dropped + skipped + failed",
    "frames processed": "whose outputs were published",
    "frames dropped": "that the node had no time or no calibration for",
    "dropped: CAUSE": "a newer one came, no CameraInfo of its stamp, the node was stopped, the "
    "network does not answer",
    "frames skipped": "that nobody wanted anything of",
    "skipped: CAUSE": "nobody listens",
    "frames failed": "that could not be processed",
    "failed: CAUSE": "a bad image, a bad request, the network failed, an internal error; the "
    "message says more",
    "frames waiting": "of which it is not decided yet",
    "frames with NaN of the network": "of the processed ones, those with pixels for which the "
    "network gave no number; they are NaN in the outputs",
    "images lost in transport": "before they came here; missing where the middleware does not tell",
    "rate [Hz]": "frames processed in a second, since the message before",
    "latency PERCENTILE [ms]": "p50, p95 and max, from an image's arrival to its last output",
    "frame age mean [s]": "the node's clock minus the stamp, when the outputs were out",
    "stage STAGE [ms]": "mean of wait, convert, preprocess, forward, postprocess, publish",
    "engine": "what runs the network",
    "precision": "that it computes in",
    "device": "that it computes on",
    "checkpoint": "its file",
    "encoder": "of the network",
    "self-check": "how far the engine is from fp32 PyTorch",
    "device memory [MiB]": "that PyTorch holds of a GPU",
    "depth scale": "the parameter `depth_scale`",
    "scale from height": "what depth would have to be multiplied by for the road in it to be "
    "`camera_height` below: the median of the last 50 frames with a road",
    "scale from height: spread": "of a frame, one sigma",
    "scale from height: inliers": "share of the pixels where the road should be that agree on it",
    "scale from height: frames with a road": "of all that were looked at: each one while "
    "`scale_from_height`, else every tenth",
    "scale from height: applied": "to the last frame; 1 unless `scale_from_height`",
}

#: What the diagnostics say of the modes of a camera that is in none.
NO_MODE = "none"

#: The state of the life cycle in which there is depth.
ACTIVE = "active"


@dataclass(frozen=True)
class CameraStatus:
    """How one camera of a node is."""

    name: str  #: empty for a node's only one
    hardware_id: str  #: what it is; empty: the device that infers
    modes: Sequence[Degradation]  #: that it is in
    problems: Sequence[str]  #: further ones, in sentences
    snapshot: Snapshot  #: of the frame statistics
    lost: int | None  #: images that did not get here; None where the middleware does not say
    depth_scale: float  #: factor on its depth
    scale: Mapping[str, str]  #: by the camera's height


def diagnostic_array(
    cameras: Iterable[CameraStatus],
    *,
    stamp: Time,
    name: str,
    state: str,
    failure: str,
    setup: Mapping[str, str],
) -> DiagnosticArray:
    """A status of each camera: OK only if it gives depth that may be used; its figures.

    ERROR has the failure or a mode of that severity, WARN any other mode or problem. A node that is
    not active gives no depth, though nothing be wrong with it: WARN.

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
        sentences = [*([failure] if failure else []), *map(str, camera.modes), *camera.problems]
        well = state == ACTIVE and not sentences
        worst = max((mode.severity for mode in camera.modes), default=Severity.WARN)
        level = DiagnosticStatus.OK if well else bytes([worst])
        figures = _figures(camera, state) | dict(setup)
        if setup:  # before that the parameters are not read
            figures["depth scale"] = f"{camera.depth_scale:g}"
        figures |= camera.scale
        array.status.append(
            DiagnosticStatus(
                level=DiagnosticStatus.ERROR if failure else level,
                name=f"{name}: depth {camera.name}".rstrip(),
                message="; ".join(sentences) or state,
                hardware_id=camera.hardware_id or setup.get("device", ""),
                values=[KeyValue(key=key, value=value) for key, value in figures.items()],
            )
        )
    return array


def _figures(camera: CameraStatus, state: str) -> dict[str, str]:
    snapshot = camera.snapshot
    figures = {
        "state": state,
        "modes": ", ".join(degradation.mode.value for degradation in camera.modes) or NO_MODE,
        "frames received": str(snapshot.received),
        "frames processed": str(snapshot.processed),
    }
    fates = {"dropped": snapshot.dropped, "skipped": snapshot.skipped, "failed": snapshot.failed}
    for fate, counts in fates.items():
        figures[f"frames {fate}"] = str(sum(counts.values()))
        figures |= {f"{fate}: {cause}": str(count) for cause, count in sorted(counts.items())}
    figures["frames waiting"] = str(snapshot.waiting)
    figures["frames with NaN of the network"] = str(snapshot.undefined)
    if camera.lost is not None:
        figures["images lost in transport"] = str(camera.lost)
    figures["rate [Hz]"] = f"{snapshot.rate:.2f}"
    if snapshot.latency is not None:
        figures |= {f"latency {k} [ms]": f"{1e3 * v:.2f}" for k, v in snapshot.latency.items()}
    if snapshot.age is not None:
        figures["frame age mean [s]"] = f"{snapshot.age:.4f}"
    return figures | {f"stage {k} [ms]": f"{1e3 * v:.3f}" for k, v in snapshot.stages.items()}
