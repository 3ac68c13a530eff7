"""Writers that are killed, or find a full disk, at every step: `half_written.py ORDER.json`.

Loads what they need once, then does each trial in a fork of itself, and writes what was found as
JSON. A trial is the `write` of one `Writer` into a folder of its own, which may hold what an
earlier one has written:

`event N`: kill -9 at its Nth operation on files (open to write, rename, remove, make a folder).
`byte N`: killed by the kernel as soon as a file is to have more than N bytes.
`room N`: in a folder (an own file system) in which N bytes are free.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from hma_depth_ros import private_cache
from hma_depth_ros.bags.kitti.drive_bag import write_kitti_bag
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.typestore import message
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.cli import run_command
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.report.written_files import write_json
from hma_depth_ros.html_report.page_parts import Facts, Page, Section
from hma_depth_ros.html_report.render_page import write_page
from hma_depth_ros.inference.engines import conversion_cache, export
from hma_depth_ros.inference.engines.exported_graph import Graph, trace
from hma_depth_ros.inference.engines.openvino_conversion import convert_graph
from hma_depth_ros.network.checkpoint import load_checkpoint, save_checkpoint
from hma_depth_ros.synthetic.kitti_writer import write_kitti_drive
from hma_depth_ros.synthetic.synthetic_drive import KITTI_CAMERA, SyntheticDrive
from hma_depth_ros.training.snapshot import RunProgress, Trained, read_snapshot, write_snapshot

STRING = "std_msgs/msg/String"
MESSAGES, FRAMES = 200, 3
#: Bytes at the beginning of each MCAP file.
MAGIC = 8

#: How a trial ended: what a user would see of it.
DONE, REFUSED, BUG = 0, 2, 3


@dataclass(frozen=True)
class Writer:
    """One thing that the package writes."""

    write: Callable[[Path, int], int]  #: into a folder, the version of that number; exit status
    #: Which version a folder holds: a number, or None for none. Raises if it is half of one.
    version: Callable[[Path], int | None]
    #: What earlier versions are to it: replaced, or in the way.
    replaces: bool = True


def checkpoints(checkpoint: Path) -> Writer:
    """Of a network whose first parameter says which version it is."""
    model, info = load_checkpoint(checkpoint)
    name, parameter = next(iter(model.named_parameters()))

    def write(folder: Path, version: int) -> int:
        with torch.no_grad():
            parameter.fill_(float(version))
        save_checkpoint(folder / "model.safetensors", model, info)
        return DONE

    def version(folder: Path) -> int | None:
        path = folder / "model.safetensors"
        if not path.exists():
            return None
        load_checkpoint(path)
        return int(load_file(path)[name].flatten()[0])

    return Writer(write, version)


def snapshots() -> Writer:
    """Of a training, the version in the number of its step."""
    layer = nn.Linear(64, 64)
    trained = Trained(layer, torch.optim.SGD(layer.parameters(), lr=0.1), None)

    def write(folder: Path, version: int) -> int:
        write_snapshot(folder / "state.safetensors", trained, RunProgress(step=version))
        return DONE

    def version(folder: Path) -> int | None:
        path = folder / "state.safetensors"
        return read_snapshot(path, trained).step if path.exists() else None

    return Writer(write, version)


def conversions() -> Writer:
    """In the cache, by the version as the digest of what is converted."""
    parts = {"graph": b"graph" * 20000}

    def ask(folder: Path, version: int, convert: Callable[[], dict[str, bytes]]) -> list[str]:
        os.environ[private_cache.VARIABLE] = str(folder / "cache")
        problems: list[str] = []
        found = conversion_cache.cached(64 * f"{version}", "kind", convert, problems.append)
        assert found == parts
        return problems

    def write(folder: Path, version: int) -> int:
        return REFUSED if ask(folder, version, lambda: parts) else DONE  # it does without

    def version(folder: Path) -> int | None:
        for number in (2, 1):
            try:
                problems = ask(folder, number, not_there)
            except NotThereError:
                continue
            assert not problems, problems
            return number
        return None

    def not_there() -> dict[str, bytes]:
        raise NotThereError

    return Writer(write, version)


class NotThereError(Exception):
    """A conversion would have to be made."""


def bags(*, recording: bool) -> Writer:
    """Of some hundred messages."""

    def write(folder: Path, version: int) -> int:
        with BagWriter(folder / f"bag_{version}", recording=recording) as out:
            out.add_topic("/words", STRING)
            for number in range(MESSAGES):
                out.write("/words", number, message(STRING, data=str(number)))
                if recording and number % 20 == 0:
                    out.save()
        return DONE

    def version(folder: Path) -> int | None:
        path = folder / "bag_2"
        if not path.exists() or all(file.stat().st_size <= MAGIC for file in path.iterdir()):
            return None  # not even the mark of its kind
        with BagReader(path) as found:
            words = [int(found.decode(raw).data) for raw in found.messages()]
        assert words == list(range(len(words)))
        assert recording or len(words) == MESSAGES
        return 2 if len(words) == MESSAGES else None

    return Writer(write, version, replaces=False)


def predictions(image: Path, same: Sequence[str]) -> Writer:
    """Files of the command `predict`."""

    def write(folder: Path, _: int) -> int:
        return run_command("predict", [str(image), "--output", str(folder / "out"), "--npz", *same])

    def version(folder: Path) -> int | None:
        files = [file for file in (folder / "out").glob("*") if not file.name.startswith(".")]
        for file in files:
            if file.suffix == ".png":
                with Image.open(file) as picture:
                    picture.load()
            elif file.suffix == ".npz":
                with np.load(file) as arrays:
                    assert all(arrays[name].size for name in arrays)
        return 2 if len(files) >= 4 else None

    return Writer(write, version, replaces=False)


def processed_bags(bag: Path, same: Sequence[str]) -> Writer:
    """Of the command `process_bag`."""

    def write(folder: Path, _: int) -> int:
        return run_command("process_bag", [str(bag), str(folder / "out"), "--threads", "1", *same])

    def version(folder: Path) -> int | None:
        if not (folder / "out").exists():
            return None
        with BagReader(folder / "out") as found:
            topics = {topic.name: topic.count for topic in found.topics.values()}
        assert topics["/depth/image"] == FRAMES
        return 2

    return Writer(write, version, replaces=False)


def exports(checkpoint: Path) -> Writer:
    """Of the command `export`: two files that belong together.

    The network is converted once and not in each trial: that takes long, and touches no file.
    """
    model, info = load_checkpoint(checkpoint)
    graph = Graph(model, info.preprocessing, full=True)
    converted = convert_graph(graph, trace(graph, None), None)
    vars(export).update(trace=lambda *_: None, convert_graph=lambda *_: converted)

    def write(folder: Path, _: int) -> int:
        where = ["--format", "openvino", "--output", str(folder / "out.xml")]
        return run_command("export", [str(checkpoint), *where])

    def version(folder: Path) -> int | None:
        if not (folder / "out.xml").exists():
            return None
        assert run_command("describe", ["--checkpoint", str(folder / "out.xml")]) == DONE
        return 2

    return Writer(write, version, replaces=False)


def reports() -> Writer:
    """A page and figures for programs, the version in both of them."""

    def write(folder: Path, version: int) -> int:
        facts = Facts([("version", str(version)), *((f"{n}", "x" * 20) for n in range(2000))])
        write_page(folder / "report.html", Page("Report", "of a test", [Section("All", [facts])]))
        write_json(folder / "report.json", {"version": version, "end": True})
        return DONE

    def version(folder: Path) -> int | None:
        page, figures = folder / "report.html", folder / "report.json"
        if not page.exists() and not figures.exists():
            return None
        text = page.read_text()
        assert text.rstrip().endswith("</html>")
        (of_page,) = re.findall(r"<dt>version</dt><dd>(\d)</dd>", text)
        content = json.loads(figures.read_text())
        assert content["end"]
        return min(int(of_page), int(content["version"]))

    return Writer(write, version)


def writers(names: Sequence[str], scratch: Path, checkpoint: Path) -> dict[str, Writer]:
    """Those of these names."""
    same = ("--checkpoint", str(checkpoint), "--device", "cpu")
    bag, image = scratch / "bag", scratch / "image.png"
    if "process_bag" in names:
        camera = KITTI_CAMERA.resize(width=124, height=38)
        street = SyntheticDrive(seed=5, frames=FRAMES, camera=camera, sampling=1)
        write_kitti_bag(write_kitti_drive(street, scratch / "street"), bag)
    Image.fromarray(np.arange(38 * 124 * 3, dtype=np.uint8).reshape(38, 124, 3)).save(image)
    made: dict[str, Callable[[], Writer]] = {
        "checkpoint": lambda: checkpoints(checkpoint),
        "snapshot": snapshots,
        "cache": conversions,
        "bag": lambda: bags(recording=False),
        "recording": lambda: bags(recording=True),
        "report": reports,
        "predict": lambda: predictions(image, same),
        "process_bag": lambda: processed_bags(bag, same),
        "export": lambda: exports(checkpoint),
    }
    return {name: made[name]() for name in names}


# --- trials ---------------------------------------------------------------------------------------


def in_fork(work: Callable[[], int], log: Path) -> int:
    """Do it in a child; its exit status, negative for the signal that has ended it."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = BUG
    try:
        with log.open("w") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        try:
            status = work()
        except HmaDepthError as error:
            print(f"refused: {error}", flush=True)
            status = REFUSED
        except BaseException:
            import traceback

            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def watch_events(folder: Path, at: int | None) -> list[str]:
    """Note operations on files below `folder` from now on, and kill this process at the `at`th."""
    seen: list[str] = []
    prefix = str(folder)

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event in {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"}:
            path = arguments[0]
        else:
            return
        if not str(path).startswith(prefix):
            return
        seen.append(event)
        if at is not None and len(seen) >= at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)
    return seen


def count_events(writer: Writer, folder: Path, log: Path) -> int:
    """Operations of one undisturbed `write`; what it imports is imported here for all others."""
    note = log.parent / "note.json"

    def work() -> int:
        before = set(sys.modules)
        seen = watch_events(folder, None)
        status = writer.write(folder, 2)
        imported = [name for name in sys.modules if name not in before and _is_a_file(name)]
        note.write_text(json.dumps({"events": len(seen), "imported": imported}))
        return status

    status = in_fork(work, log)
    assert status == DONE, log.read_text()
    found = json.loads(note.read_text())
    for name in found["imported"]:
        import_module(name)
    return int(found["events"])


def _is_a_file(module: str) -> bool:
    spec = getattr(sys.modules[module], "__spec__", None)
    return spec is not None and spec.name == module and spec.has_location


def one_trial(
    writer: Writer, trial: tuple[str, int], folder: Path, *, earlier: Path | None, logs: Path
) -> dict[str, Any]:
    """Disturb version 2 over version 1, look, and write it again undisturbed."""
    how, number = trial
    log, outcome = logs / f"{how}_{number}.log", logs / f"{how}_{number}.json"
    if earlier is not None:
        shutil.copytree(earlier, folder, dirs_exist_ok=True)

    def disturbed() -> int:
        if how == "event":
            watch_events(folder, number)
        elif how == "byte":
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (number, resource.RLIM_INFINITY))
        return writer.write(folder, 2)

    def look_and_repeat() -> int:
        left = writer.version(folder)
        outcome.write_text(json.dumps({"left": left}))
        if left != 2:
            status = writer.write(folder, 2)
            if status != DONE:
                return status
        outcome.write_text(json.dumps({"left": left, "final": writer.version(folder)}))
        return DONE

    filler = folder / "filler"
    if how == "room":
        fill(filler, number)
    status = in_fork(disturbed, log)
    said = log.read_text(errors="replace")
    if how == "room":
        filler.unlink()
    rubbish = [file.name for file in folder.rglob(".*") if ".part" in file.name]
    again = in_fork(look_and_repeat, log)
    return {
        "how": f"{how} {number}",
        "status": status,
        "said": said[-2000:],
        "rubbish": rubbish,
        "left": "half of one",
        "again": again,
        "said_again": log.read_text(errors="replace")[-2000:],
        **(json.loads(outcome.read_text()) if outcome.exists() else {}),
    }


def fill(path: Path, room: int) -> None:
    """Leave `room` bytes of a small file system."""
    space = os.statvfs(path.parent)
    with path.open("wb") as file:
        file.write(bytes(max(0, space.f_bavail * space.f_frsize - room)))


def main() -> int:
    order = json.loads(Path(sys.argv[1]).read_text())
    scratch = Path(order["scratch"])
    torch.set_num_threads(1)
    made = writers(order["writers"], scratch, Path(order["checkpoint"]))
    found: dict[str, list[dict[str, Any]]] = {}
    for name in order["writers"]:
        writer, room = made[name], scratch / name
        clean = room / "clean"
        clean.mkdir(parents=True)
        events = count_events(writer, clean, room / "clean.log")
        largest = max((f.stat().st_size for f in clean.rglob("*") if f.is_file()), default=0)
        earlier = None
        if writer.replaces:
            earlier = room / "earlier"
            earlier.mkdir()
            assert in_fork(lambda: writer.write(earlier, 1), room / "log") == DONE  # noqa: B023
        most = min(order["most"], events)
        chosen = {round(1 + k * (events - 1) / (most - 1)) for k in range(most)}
        trials = [(room, "event", number) for number in sorted(chosen)]
        trials += [(room, "byte", number) for number in sorted({1, largest // 2, largest - 1})]
        if order["small"]:
            small = Path(order["small"]) / name
            small.mkdir()
            trials += [(small, "room", number) for number in (0, largest // 2)]
        results = found[name] = []
        for place, how, number in trials:
            folder = place / f"{how}_{number}"
            folder.mkdir()
            trial = one_trial(writer, (how, number), folder, earlier=earlier, logs=room)
            results.append(trial)
            shutil.rmtree(folder)
    Path(order["result"]).write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
