"""Write the tables of docs/ that the code has: topics, parameters, launch arguments, protocols.

Run by `make api` in .venv, for the tables lie in modules of ROS. Each stands on its page between
two comments; a test compares them with the code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from hma_depth_ros.evaluation.protocols import PROTOCOLS
from hma_depth_ros.messages.depth_topics import CONTENTS
from hma_depth_ros.ros import parameter_table
from hma_depth_ros.ros.accuracy.monitor_parameters import MonitorParameters
from hma_depth_ros.ros.depth_node.diagnostics import MEANINGS
from hma_depth_ros.ros.depth_node.image_input import INPUTS
from hma_depth_ros.ros.depth_node.outputs import output_types
from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters
from hma_depth_ros.ros.depth_node.rig_parameters import RigParameters

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
LAUNCH = ROOT / "launch"

_BLOCK = re.compile(r"(<!-- (\S+): written by `make api` -->\n).*?(<!-- end -->)", re.DOTALL)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _listed(names: Iterable[str]) -> str:
    *others, last = (f"`{name}`" for name in names)
    return f"{', '.join(others)} and {last}\n"


def inputs() -> str:
    """Topics that the node subscribes to."""
    rows = [(f"`{name}`", _kind(kind), meaning) for name, (kind, meaning) in INPUTS.items()]
    return _table(("topic", "type", "what is taken"), rows)


def outputs() -> str:
    """Topics that the node publishes, of a network with masks and an estimate of its error."""
    topics = output_types((8, 4, 2, 1), confidence=True)
    types = {re.sub(r"scale_\d+$", "scale_N", name): kind for name, kind in topics.items()}
    rows = [(f"`{name}`", _kind(kind), CONTENTS[name]) for name, kind in types.items()]
    return _table(("topic", "type", "content"), rows)


def _kind(message: Any) -> str:
    package = message.__module__.partition(".")[0]
    return f"`{package}/{message.__name__}`"


def parameters(table: type[Any], *, without: Iterable[str] = ()) -> str:
    """Parameters with their defaults, and when they may be set."""
    rows = [
        (
            f"`{name}`",
            parameter_table.written_default(table, name),
            _when(parameter_table.metadata(table, name)),
            parameter_table.meaning(table, name),
        )
        for name in parameter_table.names(table)
        if name not in set(without)
    ]
    return _table(("parameter", "default", "set", "meaning"), rows)


def _when(meta: Any) -> str:
    if meta["read_only"]:
        return "at start"
    return "live" if meta["live"] else "unconfigured"


def of_camera() -> str:
    """Parameters that a rig's camera may have of its own."""
    return _listed(f.name for f in fields(RigParameters) if f.metadata["of_camera"])


def launch_arguments(name: str) -> str:
    """Arguments that a launch file declares; read off its source, for the wheels lack `launch`."""
    declared = _constant(name, "ARGUMENTS")
    assert isinstance(declared, ast.Tuple)
    rows = [_argument(call) for call in declared.elts if isinstance(call, ast.Call)]
    return _table(("argument", "default", "meaning"), rows)


def handed_on(name: str, constant: str) -> str:
    """Arguments of depth.launch.py that another launch file takes for it."""
    parts = ast.walk(_constant(name, constant))
    return _listed(str(part.value) for part in parts if isinstance(part, ast.Constant))


def _constant(name: str, constant: str) -> ast.expr:
    """A launch file's constant, unevaluated."""
    tree = ast.parse((LAUNCH / f"{name}.launch.py").read_text(encoding="utf-8"))
    (value,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == constant
    ]
    return value


def _argument(call: ast.Call) -> tuple[str, str, str]:
    given = [ast.literal_eval(value) for value in call.args]
    named = {k.arg: k.value for k in call.keywords}
    if "description" in named:  # launch's own, without a default
        return f"`{given[0]}`", "(required)", ast.literal_eval(named["description"])
    name, default, meaning = given
    return f"`{name}`", f"`{default}`" if default else "", meaning


def windows() -> str:
    """Where each protocol scores, in pixels of KITTI's most usual size."""
    rows = [
        (f"`{name}`", str(protocol.window(375, 1242)), protocol.description)
        for name, protocol in PROTOCOLS.items()
    ]
    return _table(("protocol", "counts, of 375x1242", "which is"), rows)


def diagnostics() -> str:
    """Values of the node's status."""
    return _table(("value", "meaning"), [(f"`{key}`", text) for key, text in MEANINGS.items()])


#: Tables of each page.
PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "node.md": {
        "inputs": inputs,
        "outputs": outputs,
        "parameters": lambda: parameters(DepthNodeParameters),
        "rig-parameters": lambda: parameters(
            RigParameters, without=parameter_table.names(DepthNodeParameters)
        ),
        "of-camera": of_camera,
        "diagnostics": diagnostics,
        "depth.launch.py": lambda: launch_arguments("depth"),
        "rig.launch.py": lambda: launch_arguments("rig"),
        "rig.launch.py-hands-on": lambda: handed_on("rig", "SHARED"),
    },
    "evaluation.md": {"windows": windows},
    "bags.md": {
        "replay.launch.py": lambda: launch_arguments("replay"),
        "replay.launch.py-hands-on": lambda: handed_on("replay", "PASSED_ON"),
        "monitor-parameters": lambda: parameters(MonitorParameters),
    },
}


def written(name: str) -> str:
    """A page with its tables as the code has them.

    Raises:
        SystemExit: a table has no place on its page, or a place no table.

    """
    text = (DOCS / name).read_text(encoding="utf-8")
    tables = PAGES[name]
    places = [match[2] for match in _BLOCK.finditer(text)]
    if sorted(places) != sorted(tables):
        raise SystemExit(f"docs/{name}: places for {places}, tables for {sorted(tables)}")
    return _BLOCK.sub(lambda match: f"{match[1]}\n{tables[match[2]]()}\n{match[3]}", text)


def main() -> None:
    """Write the pages."""
    for name in PAGES:
        page = written(name)
        (DOCS / name).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
