"""Files that are written aside and renamed: where, under which names, and what an error says."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import as_given, atomic_path, check_writable, shown


def test_it_is_written_beside_its_target_under_a_name_of_the_same_kind(tmp_path: Path):
    """Beside, since a rename is of one file system; writers choose the format by the suffix."""
    with atomic_path(tmp_path / "new" / "depth.npz") as temporary:
        assert temporary.parent == tmp_path / "new"
        assert temporary.name.startswith(".depth.")
        assert temporary.name.endswith(".part.npz")
        temporary.write_text("x")
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["depth.npz"]
    assert stat.S_IMODE((tmp_path / "new" / "depth.npz").stat().st_mode) == 0o644


def test_a_name_may_be_as_long_as_names_may_be(tmp_path: Path):
    """Which is 255 bytes, four for each of these characters."""
    path = tmp_path / f"{'🚗' * 62}.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("x")
    assert path.read_text() == "x"


def test_the_data_are_on_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(handle: int) -> None:
        done.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    def noted_replace(self: Path, target: Path) -> Path:
        done.append(target.name)
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("x")
    assert done == [temporary.name, "a.txt"]


def test_nothing_stays_open(tmp_path: Path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with atomic_path(tmp_path / "a.txt"):
            pass
        check_writable(tmp_path / "b.txt")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("9 requested and 3 written"), "9 requested and 3 written"),  # of NumPy
    ],
)
def test_an_error_names_the_file_and_leaves_the_old_one(tmp_path: Path, error: OSError, words: str):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(HmaDepthError) as said, atomic_path(path) as temporary:
        temporary.write_text("half of")
        raise error
    assert str(said.value) == f"cannot write {path}: {words}"
    with pytest.raises(ValueError, match="of another kind"), atomic_path(path):
        raise ValueError("of another kind")
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_what_cannot_be_written_is_said_at_once(tmp_path: Path):
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "a.txt"
    with (
        pytest.raises(HmaDepthError, match=rf"cannot write {below}: File exists"),
        atomic_path(below),
    ):
        raise AssertionError
    with pytest.raises(HmaDepthError, match=rf"cannot write {below}: File exists"):
        check_writable(below)
    with pytest.raises(HmaDepthError, match=rf"cannot write {tmp_path}: it is a folder"):
        check_writable(tmp_path)
    check_writable(tmp_path / "new" / "deeper" / "a.txt")
    assert not list((tmp_path / "new" / "deeper").iterdir())
    with pytest.raises(HmaDepthError, match=r"cannot write /proc/a\.txt: No such"):
        check_writable(Path("/proc/a.txt"))  # where nobody makes files


# --- names --------------------------------------------------------------------------------------


def test_a_path_keeps_the_names_of_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`drive_26` may lead to `/data/7f3a`; but what is above a link is above its target."""
    (tmp_path / "real" / "inside").mkdir(parents=True)
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "deep")
    (tmp_path / "far" / "other").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PWD", raising=False)
    assert as_given(Path("link/a")) == tmp_path / "link" / "a"
    assert as_given(tmp_path / "link") == tmp_path / "link"
    assert as_given(Path("link/../a")) == tmp_path / "far" / "a"
    assert as_given(Path("link/../other/a")) == tmp_path / "far" / "other" / "a"
    assert as_given(Path("real/inside/../../link/..")) == tmp_path / "far"
    monkeypatch.setenv("HOME", str(tmp_path / "real"))
    assert as_given(Path("~/a")) == tmp_path / "real" / "a"


def test_the_folder_is_called_as_the_shell_calls_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "link")
    for shells, expected in (
        (tmp_path / "link", tmp_path / "link"),
        (tmp_path / "other", tmp_path / "real"),  # of before a program went elsewhere
        (tmp_path / "gone", tmp_path / "real"),
        (".", tmp_path / "real"),
        ("", tmp_path / "real"),
    ):
        monkeypatch.setenv("PWD", str(shells))
        assert as_given(Path("a")) == expected / "a"


def test_a_name_that_is_no_text_is_shown_all_the_same():
    assert shown("a/ä.png") == "a/ä.png"
    assert shown(Path(os.fsdecode(b"a/\xff.png"))) == "a/\ufffd.png"


# --- all of the package's ---------------------------------------------------------------------

PACKAGE = Path(__file__).resolve().parent.parent / "hma_depth_ros"
#: Methods and functions that write a file of that name.
_WRITE = {"write_text", "write_bytes", "savez", "savez_compressed", "save_file", "save_model"}
#: Likewise, but they do not say when the disk is full.
_SILENT = {"tofile", "imwrite", "savefig", "np.save"}
#: Files that are not written aside, and why no half of one passes for a whole one.
_OTHERS = {
    # Journals: a line more at a time, and who reads them leaves out one that was cut short.
    "bags/to_dataset/dataset_folder.py": "self.journal(bag).open('a', encoding='utf-8')",
    "training/run_folder.py": "self.metrics.open('a', encoding='utf-8')",
    # Locks, in which nothing is written.
    "bags/processing/parts_folder.py": "(self.folder / f'{name}.lock').open('w', encoding='ascii')",
    # In a folder that is removed again.
    "bags/storage/unpacking.py": "target.open('wb')",
    "benchmarks/gpu_check/training_speed.py": (
        "short.write_text(''.join(lines[:scale.compared * batch]), encoding='utf-8')"
    ),
    # Into the memory.
    "data/depth/stored_depth.py": "np.save(content, depth)",
    # What a process says.
    "benchmarks/gpu_check/run_parts.py": "log.open('wb')",
    "demo/children.py": "log.open('wb')",
    # In the hidden folder, from which they are renamed once they have been read.
    "inference/engines/export.py": (
        "path.write_bytes(model.SerializeToString()), "
        "import_openvino().save_model(model, path, compress_to_fp16=half)"
    ),
    # Of a file that was made by `atomic_path`.
    "viewer/rerun_file.py": "target.open('wb')",
}


def written(node: ast.AST, *, aside: bool = False) -> Iterator[str]:
    """Calls that write a file, but for those in the block of an `atomic_path`."""
    if isinstance(node, ast.With):
        named = [item.context_expr for item in node.items]
        calls = [ast.unparse(call.func) for call in named if isinstance(call, ast.Call)]
        aside = aside or "atomic_path" in calls
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        last = name.rpartition(".")[2]
        if {name, last} & _SILENT or (
            not aside and (last in _WRITE or _opens_to_write(node, last))
        ):
            yield ast.unparse(node)
    for child in ast.iter_child_nodes(node):
        yield from written(child, aside=aside)


def _opens_to_write(call: ast.Call, name: str) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    modes = {a.value for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return name in {"open", "fdopen"} and any(
        set(mode) <= set("rwaxbt+") and set(mode) & set("wax+") for mode in modes
    )


def test_every_file_of_the_package_is_written_aside():
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if calls := list(written(ast.parse(path.read_text(encoding="utf-8")))):
            found[path.relative_to(PACKAGE).as_posix()] = ", ".join(calls)
    assert found == _OTHERS


def test_what_writes_a_file_is_seen():
    def seen(code: str) -> bool:
        return bool(list(written(ast.parse(code))))

    assert seen("with open('a', 'w') as file: pass")
    assert seen("path.open(mode='xb')")
    assert seen("path.write_text('x')")
    assert not seen("path.open('rb')")
    assert not seen("with atomic_path(p) as t:\n    t.write_text('x')")
    assert not seen("with atomic_path(p) as t, t.open('w') as f:\n    f.write('x')")
    assert seen("with atomic_path(p) as t:\n    array.tofile(t)")
