"""Write docs/api.md: names, meanings and signatures of the public API, read off the code.

Run by `make api`; standard library only, and nothing of the package is imported. What is public is
listed here; a test compares the page with the code, so that no public name changes unnoticed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "hma_depth_ros"
PAGE = ROOT / "docs" / "api.md"

#: Names by module. Errors and whatever these take and give belong to it.
PUBLIC = {
    "errors": ("HmaDepthError",),
    "geometry.camera": ("PinholeCamera", "Intrinsics"),
    "geometry.camera_planes": ("Mount", "USUAL_MOUNT"),
    "geometry.backprojection": ("back_project", "project"),
    "geometry.ply": ("write_ply",),
    "assets": ("default_checkpoint",),
    "inference.predictor": ("DepthPredictor",),
    "inference.prediction": ("Prediction", "OutputArrays", "OUTPUTS"),
    "inference.pixel_format": ("PixelFormat",),
    "inference.plan": ("Region",),
    "inference.points": ("CloudLayout",),
    "inference.engines.engine": ("Engine",),
    "network.model": ("HmaDepth", "ScaleMaps"),
    "network.model_config": ("ModelConfig", "PRESETS", "preset"),
    "network.checkpoint": (
        *("CheckpointInfo", "Preprocessing"),
        *("load_checkpoint", "read_info", "save_checkpoint"),
    ),
    "data.image_file": ("read_rgb", "write_png"),
    "data.depth.depth_png": ("read_depth_png", "write_depth_png"),
    "data.splits.split_file": ("SplitEntry", "read_split", "write_split"),
    "data.splits.entry_camera": ("EntryCamera", "entry_camera"),
    "data.kitti.drive": ("KittiDrive",),
    "evaluation.metrics": ("depth_metrics", "benchmark_metrics"),
    "evaluation.protocols": ("Protocol", "PROTOCOLS"),
    "visualization.depth_color": ("colorize_depth",),
    "visualization.attention_color": ("colorize_attention",),
    "visualization.birds_eye": ("birds_eye",),
    "synthetic.synthetic_drive": ("SyntheticDrive", "SyntheticFrame"),
    "synthetic.kitti_writer": ("write_kitti_drive",),
    "training.config_file": ("load_config", "preset_names", "to_yaml"),
    "messages.image": ("image_array", "BadImageError", "UnknownEncodingError"),
    "messages.pictures": ("picture", "rgb_image"),
    "messages.depth_image": ("depth_array", "encoded_depth"),
    "messages.camera_info": ("camera_from_info", "info_for_camera", "BadCalibrationError"),
    "messages.point_cloud": ("cloud_array", "cloud_xyz", "lidar_returns"),
    "messages.depth_topics": (
        *("DEPTH", "INFO", "POINTS", "DEPTH_COLOR", "ATTENTION_COLOR"),
        "attention_topic",
    ),
    "messages.stamps": ("header_stamp", "stamp_text"),
    "messages.types": ("IMAGE", "COMPRESSED_IMAGE", "CAMERA_INFO", "POINT_CLOUD"),
    "bags.reader": ("BagReader", "BagTopic", "BagMessage"),
    "bags.writer": ("BagWriter",),
    "bags.kitti.dialect": ("KittiDialect", "DIALECTS"),
    "ros.spin": ("run_node",),
    "ros.standins": ("SimpleFilter", "TimeSynchronizer"),
    "ros.transport": ("use_large_message_profile",),
    "cli": ("run",),
}

#: Characters of a constant's definition that is given whole.
_SHORT = 70

HEAD = """# Public API

<!-- Written by `make api` (.ci/make_api.py) from the code: change docstrings, not this page. -->

What is on this page keeps its name and meaning within a minor version, and is named in the
changelog where it changes. The first words of each docstring are given; the rest stands in the
code. These are kept likewise: the commands below with their options; the nodes' topics, services,
parameters and launch arguments ([node.md](node.md), [bags.md](bags.md)); the keys of a
training's configuration ([training.md](training.md)); and what is written: checkpoints, exports,
lists, reports and bags. Everything else is free to change.
"""


class Module:
    """A module's source, to be asked for what stands in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        path = PACKAGE / Path(*name.split("."))
        self.path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        text = self.path.read_text(encoding="utf-8")
        self.lines = text.splitlines()
        self.tree = ast.parse(text)

    def section(self, names: tuple[str, ...]) -> Iterator[str]:
        """Lines of the page."""
        yield f"### `hma_depth_ros.{self.name}`"
        yield ""
        for name in names:
            yield from self._entry(name)
        yield ""

    def _entry(self, name: str) -> Iterator[str]:
        node = next((node for node in self.tree.body if name in _names(node)), None)
        match node:
            case ast.ClassDef():
                yield from self._class(node)
            case ast.FunctionDef():
                yield f"- `{_signature(node)}`: {_meaning(node)}"
            case ast.Assign(targets=[ast.Name()]) if len(ast.unparse(node)) < _SHORT:
                yield _item(ast.unparse(node), self._comment(node))
            case ast.Assign() | ast.AnnAssign():
                yield _item(name, self._comment(node))
            case _:
                raise SystemExit(f"{self.path}: no {name}; mend PUBLIC in {__file__}")

    def _class(self, node: ast.ClassDef) -> Iterator[str]:
        bases = [ast.unparse(base) for base in node.bases]
        made = next((n for n in node.body if getattr(n, "name", "") == "__init__"), None)
        made_of = f"({', '.join(bases)})" if bases else ""
        if isinstance(made, ast.FunctionDef):
            made_of = _signature(made).removeprefix("__init__").removesuffix(" -> None")
        yield f"- class `{node.name}{made_of}`: {_meaning(node)}"
        for member in node.body:
            match member:
                case ast.FunctionDef(name=name) if not name.startswith("_"):
                    decorators = {ast.unparse(d).rpartition(".")[2] for d in member.decorator_list}
                    how = _signature(member)
                    if decorators & {"property", "cached_property"}:
                        how = f"{name} -> {ast.unparse(member.returns)}" if member.returns else name
                    yield f"  - `{how}`: {_meaning(member)}"
                case ast.AnnAssign(target=ast.Name(id=name)) if not name.startswith("_"):
                    value = "" if member.value is None else f" = {ast.unparse(member.value)}"
                    field = f"{name}: {ast.unparse(member.annotation)}{value}"
                    yield "  " + _item(field, self._comment(member))
                case ast.Assign(targets=[ast.Name(id=name)]) if not name.startswith("_"):
                    yield "  " + _item(ast.unparse(member), self._comment(member))

    def _comment(self, node: ast.stmt) -> str:
        """What `#:` says of a field or constant: on its line, or above."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        _, mark, beside = self.lines[node.end_lineno - 1].partition("#:")
        if mark:
            return beside.strip()
        above: list[str] = []
        for line in reversed(self.lines[: node.lineno - 1]):
            if not line.strip().startswith("#:"):
                break
            above.insert(0, line.strip().removeprefix("#:").strip())
        return " ".join(above)


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
            return [name]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    return []


def _signature(node: ast.FunctionDef) -> str:
    """Name, parameters and result, without self and cls."""
    given = node.args
    assert not given.posonlyargs, f"{node.name}: of positions alone, which nothing here has"
    missing = [None] * (len(given.args) - len(given.defaults))
    words = [
        _parameter(argument, default)
        for argument, default in zip(given.args, [*missing, *given.defaults], strict=True)
        if argument.arg not in {"self", "cls"}
    ]
    if given.vararg is not None:
        words.append(f"*{_parameter(given.vararg, None)}")
    elif given.kwonlyargs:
        words.append("*")
    words += map(_parameter, given.kwonlyargs, given.kw_defaults)
    if given.kwarg is not None:
        words.append(f"**{_parameter(given.kwarg, None)}")
    result = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    return f"{node.name}({', '.join(words)}){result}"


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    kind = "" if argument.annotation is None else f": {ast.unparse(argument.annotation)}"
    if default is None:
        return argument.arg + kind
    return f"{argument.arg}{kind} = {ast.unparse(default)}"


def _meaning(node: ast.ClassDef | ast.FunctionDef) -> str:
    docstring = ast.get_docstring(node) or ""
    return " ".join(docstring.partition("\n\n")[0].split())


def _item(code: str, meaning: str) -> str:
    return f"- `{code}`: {meaning}" if meaning else f"- `{code}`"


def commands() -> Iterator[str]:
    """The table of executables."""
    yield "| command | what it does |"
    yield "|---|---|"
    for path in sorted((PACKAGE / "cli").glob("*.py")):
        if path.stem != "__init__":
            docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            yield f"| `{path.stem}` | {docstring.partition(chr(10))[0]} |"


def page() -> str:
    """The whole page."""
    lines = [HEAD, "## Commands", "", *commands(), "", "## Python", ""]
    for name, names in PUBLIC.items():
        lines += Module(name).section(names)
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
