"""What docs/security.md promises of the code itself, and of what lies on disk."""

from __future__ import annotations

import ast
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path
from hma_depth_ros.inference.engines.conversion_cache import cached
from hma_depth_ros.inference.engines.kept_files import drop_changed_files, note_files
from hma_depth_ros.network.compiled_kernels import keep_kernels_private
from hma_depth_ros.private_cache import private_folder

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCES = sorted(
    path
    for folder in ("hma_depth_ros", "launch", "docs/examples", ".ci")
    for path in (REPOSITORY / folder).rglob("*.py")
)

#: Calls that run what they are given, by the end of their dotted names.
_RUN = {
    *("eval", "exec", "compile", "__import__"),
    *("os.system", "os.popen", "commands.getoutput", "subprocess.getoutput"),
    *("subprocess.getstatusoutput", "runpy.run_path", "code.interact"),
}
#: Modules whose loading runs code of what is loaded, and those that read archives without care.
_MODULES = {
    *("pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"),
    *("shutil.unpack_archive", "tarfile", "xml.sax", "xml.dom", "telnetlib", "ftplib"),
}
_LOADERS = {
    *("torch.load", "torch.jit.load", "torch.hub.load", "torch.export.load", "torch.package"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "yaml.UnsafeLoader"),
    *("tempfile.mktemp", "os.tempnam", "os.tmpnam", "np.fromfile", "numpy.fromfile"),
    *("pd.read_pickle", "Unpickler", "ctypes.cdll.LoadLibrary"),
}
#: Where one of them is right, and why.
_ALLOWED = {
    # Of a wheel that pip has installed, which is code itself; tensors only.
    ("hma_depth_ros/training/imagenet.py", "torch.load"),
    # The name comes from the table WHEELS beside it.
    ("hma_depth_ros/training/imagenet.py", "import_module"),
    # A command's module, found among the files of the package.
    ("hma_depth_ros/cli/__init__.py", "importlib.import_module"),
    # What a user names as --baseline, who could have run it as well.
    ("hma_depth_ros/benchmarks/baseline.py", "importlib.import_module"),
    # The package of a message type, which is looked up among ROS's.
    ("hma_depth_ros/ros/bag_tools/message_class.py", "importlib.import_module"),
}


@cache
def nodes(path: Path) -> list[ast.AST]:
    kinds = (ast.Call, ast.Import, ast.ImportFrom)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in nodes(path):
        if isinstance(node, ast.Call):
            yield _dotted(node.func), node


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "()"


def name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def test_nothing_unpickles_evaluates_or_runs_a_shell():
    assert len(SOURCES) > 300
    found = set()
    for path in SOURCES:
        for node in nodes(path):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                names.append(str(node.module))
            found |= {(name(path), n) for n in names if n in _MODULES}
        for called, node in calls(path):
            dangerous = called in _RUN or any(
                called == loader or called.endswith(f".{loader}") for loader in _LOADERS
            )
            shell = any(
                keyword.arg == "shell" and not _is(keyword.value, value=False)
                for keyword in node.keywords
            )
            if dangerous or shell or called.endswith("import_module"):
                found.add((name(path), called))
    assert found == _ALLOWED


def _is(node: ast.expr, *, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_what_could_unpickle_is_told_not_to():
    """NumPy's arrays of objects, and the one file of PyTorch's."""
    seen = []
    for path in SOURCES:
        for called, node in calls(path):
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            if called in ("np.load", "numpy.load"):
                assert _is(given["allow_pickle"], value=False), path
                seen.append(called)
            if called == "torch.load":
                assert _is(given["weights_only"], value=True), path
                seen.append(called)
    assert sorted(set(seen)) == ["np.load", "torch.load"]


def test_yaml_and_json_of_files_go_through_one_door():
    """But what was written in the same breath, and what the package itself has measured."""
    own = {
        "hma_depth_ros/structured_text.py",
        "hma_depth_ros/bags/to_dataset/dataset_folder.py",  # loads(dumps())
        "hma_depth_ros/bags/processing/parts_folder.py",  # likewise
    }
    found = {
        name(path)
        for path in SOURCES
        for called, node in calls(path)
        if called in ("json.loads", "json.load", "yaml.safe_load", "yaml.SafeLoader")
        and not name(path).startswith(("hma_depth_ros/benchmarks/", ".ci/"))
    }
    assert found == own


def test_the_middlewares_profile_is_one_of_the_packages_own(monkeypatch: pytest.MonkeyPatch):
    """Fast DDS reads XML with more in it than data: no part of its name comes from outside."""
    transport = pytest.importorskip("hma_depth_ros.ros.transport")
    for variable in transport._PROFILE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    assets = (REPOSITORY / "hma_depth_ros" / "assets").resolve()
    for version in (2, 3):
        monkeypatch.setattr(transport, "fast_dds", lambda version=version: version)
        profile = transport.large_message_profile()
        assert profile.parent.resolve() == assets
        assert set(transport.profile_environment().values()) <= {str(profile)}


def test_temporary_files_cannot_be_guessed_or_met(tmp_path: Path):
    """A link that somebody has put in the place of one is not followed."""
    names = set()
    for _ in range(20):
        with atomic_path(tmp_path / "a.txt") as temporary:
            names.add(temporary.name)
            assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
            temporary.write_text("x")
    assert len(names) == 20
    (tmp_path / "target").write_text("kept")
    (tmp_path / "link.txt").symlink_to(tmp_path / "target")
    with atomic_path(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "target").read_text() == "kept"
    assert not (tmp_path / "link.txt").is_symlink()


# --- what is run as it lies there ---------------------------------------------------------------


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("HMA_DEPTH_CACHE", str(folder))
    return folder


def converted(warnings: list[str]) -> bytes:
    return cached("0" * 64, "kind", lambda: {"graph": b"ours"}, warnings.append)["graph"]


def plant(folder: Path) -> None:
    """An entry of somebody else's, with a digest that fits."""
    from hma_depth_ros.inference.engines import conversion_cache

    (entry,) = folder.glob("*.safetensors")
    conversion_cache._write(entry, {"graph": b"theirs"})


def test_a_folder_of_ones_own_is_made_and_used(own_cache: Path):
    warnings: list[str] = []
    assert converted(warnings) == b"ours"
    assert stat.S_IMODE(own_cache.stat().st_mode) == 0o700
    plant(own_cache)
    assert converted(warnings) == b"theirs"  # whoever can write here is the user
    assert warnings == []


def test_a_conversion_is_of_one_model_kind_and_version(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    from hma_depth_ros.inference.engines import conversion_cache

    def get(source: str, kind: str) -> bytes:
        parts = {"graph": f"{source[0]} {kind}".encode()}
        return cached(source, kind, lambda: parts, warnings.append)["graph"]

    warnings: list[str] = []
    for source in ("a" * 64, "b" * 64):
        for kind in ("onnx", "openvino"):
            assert get(source, kind) == f"{source[0]} {kind}".encode()
    monkeypatch.setattr(conversion_cache, "__version__", "0.0.another")
    newer = cached("a" * 64, "onnx", lambda: {"graph": b"newer"}, warnings.append)
    assert newer == {"graph": b"newer"}
    assert len(list(own_cache.glob("*.safetensors"))) == 5
    monkeypatch.undo()
    assert warnings == []


def test_a_conversion_without_a_digest_is_made_again(own_cache: Path):
    import numpy as np
    from safetensors.numpy import save_file

    converted([])
    (entry,) = own_cache.glob("*.safetensors")
    save_file({"graph": np.frombuffer(b"theirs", np.uint8)}, entry)
    warnings: list[str] = []
    assert converted(warnings) == b"ours"
    assert "its checksum is wrong" in warnings[0]


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_a_planted_conversion_is_not_run(own_cache: Path, mode: int):
    converted([])
    plant(own_cache)
    own_cache.chmod(mode)
    warnings: list[str] = []
    assert converted(warnings) == b"ours"
    assert warnings == [
        f"{own_cache} is not used, since others may write into {own_cache} (chmod go-w mends "
        "that); set HMA_DEPTH_CACHE to a folder of your own; the conversion is not kept"
    ]
    own_cache.chmod(0o755)
    assert converted(warnings) == b"theirs", "it was there all the time"


def test_a_folder_around_it_that_others_can_write_is_as_bad(own_cache: Path, tmp_path: Path):
    """They could put another cache in the place of this one; but not in /tmp, by its sticky bit."""
    converted([])
    plant(own_cache)
    warnings: list[str] = []
    tmp_path.chmod(0o777)
    assert converted(warnings) == b"ours"
    assert f"others may write into {tmp_path}" in warnings[0]
    tmp_path.chmod(0o1777)
    assert converted(warnings) == b"theirs"


def test_every_folder_around_it_counts(tmp_path: Path):
    """Also those above what a link leads to."""
    far, near = tmp_path / "far", tmp_path / "near"
    for folder in (far / "a" / "b", near):
        folder.mkdir(parents=True)
    (near / "link").symlink_to(far / "a")
    far.chmod(0o777)
    for folder in (far / "a" / "b" / "cache", near / "link" / "b"):
        with pytest.raises(HmaDepthError, match=f"others may write into {far} "):
            private_folder(folder, cure="x")
    far.chmod(0o755)
    assert private_folder(near / "link" / "b", cure="x") == (far / "a" / "b").resolve()


def test_what_is_roots_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of a user who is not root the folders above are, in any case."""
    if os.geteuid() == 0:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert private_folder(tmp_path / "cache", cure="x") == (tmp_path / "cache").resolve()


@pytest.mark.parametrize(
    ("link", "said"), [("somebody's", "belongs to user"), ("a circle", "cannot make")]
)
def test_a_link_to_somebody_elses_folder_is_not_followed(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: str, said: str
):
    (tmp_path / "real").mkdir()
    own_cache.symlink_to(tmp_path / "real" if link == "somebody's" else own_cache)
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    warnings: list[str] = []
    if me == 0:  # whose folders are anybody's: they are root's
        os.chown(tmp_path / "real", 12345, -1)
    assert converted(warnings) == b"ours"
    assert said in warnings[0]
    assert "\n" not in warnings[0]


def test_the_private_group_of_a_user_is_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Many systems give each user a group, and make its folders writable by it."""
    from types import SimpleNamespace as Entry

    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o770)
    me = Entry(pw_name="me", pw_gid=folder.stat().st_gid)
    users, members = [me], list[str]()
    monkeypatch.setattr(os, "getegid", lambda: folder.stat().st_gid)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: me)
    monkeypatch.setattr(pwd, "getpwall", lambda: users)
    monkeypatch.setattr(grp, "getgrgid", lambda gid: Entry(gr_mem=members))
    assert private_folder(folder, cure="x") == folder.resolve()
    members.append("me")
    assert private_folder(folder, cure="x") == folder.resolve()
    members.append("you")
    with pytest.raises(HmaDepthError, match="others may write"):
        private_folder(folder, cure="x")
    members[:] = []
    with monkeypatch.context() as other:
        other.setattr(os, "getegid", lambda: folder.stat().st_gid + 1)
        with pytest.raises(HmaDepthError, match="others may write"):
            private_folder(folder, cure="x")
    users.append(Entry(pw_name="you", pw_gid=me.pw_gid))
    with pytest.raises(HmaDepthError, match="others may write"):
        private_folder(folder, cure="x")


def test_files_that_a_library_keeps_are_checked(tmp_path: Path):
    """TensorRT's engines: one that is new or changed is removed; a note that is none is no help."""
    warnings: list[str] = []
    (tmp_path / "a.engine").write_bytes(b"ours")
    (tmp_path / "b.profile").write_bytes(b"ours")
    note_files(tmp_path)
    (tmp_path / ".hidden").write_bytes(b"of a note that is being written")
    drop_changed_files(tmp_path, warnings.append)
    assert warnings == []
    (tmp_path / "a.engine").write_bytes(b"theirs")
    (tmp_path / "c.engine").write_bytes(b"theirs")
    drop_changed_files(tmp_path, warnings.append)
    assert [Path(w.split()[0]).name for w in warnings] == ["a.engine", "c.engine"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [".hidden", "b.profile", "sha256.json"]
    for note in ("[]", "", '{"b.profile": 1}', "[" * 9999):
        (tmp_path / "b.profile").write_bytes(b"ours")
        (tmp_path / "sha256.json").write_text(note)
        drop_changed_files(tmp_path, warnings.append)
        assert not (tmp_path / "b.profile").exists()


def test_compiled_kernels_are_not_looked_for_where_anybody_writes(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    keep_kernels_private()
    assert Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]) == own_cache / "torch_compile"
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/elsewhere")
    keep_kernels_private()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "/elsewhere"
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    own_cache.chmod(0o777)
    with pytest.raises(HmaDepthError, match="others may write"):
        keep_kernels_private()


# --- no path out of its root --------------------------------------------------------------------


def test_a_bag_names_no_files_beside_it(tmp_path: Path):
    """Old bags have their own name, or that of the machine's folder, before their files'."""
    from hma_depth_ros.bags.storage.bag_files import find_files

    bag = tmp_path / "bag"
    bag.mkdir()
    for folder in (tmp_path, bag):
        (folder / "bag_0.mcap").write_bytes(b"a bag")
    text = "rosbag2_bagfile_information:\n  topics_with_message_count: []\n"
    for listed in ("bag_0.mcap", "bag/bag_0.mcap", "/home/me/bag/bag_0.mcap", "../bag_0.mcap"):
        (bag / "metadata.yaml").write_text(f"{text}  relative_file_paths: ['{listed}']\n")
        assert find_files(bag).files == [bag / "bag_0.mcap"]
    for listed in ("..", ".", "", "/", "../outside.mcap"):
        (tmp_path / "outside.mcap").touch()
        (bag / "metadata.yaml").write_text(f"{text}  relative_file_paths: ['{listed}']\n")
        found = find_files(bag)
        assert found.files == [bag / "bag_0.mcap"]
        assert "is read in its place" in str(found.remark)


@pytest.mark.parametrize("scene", ["../../escaped", "/tmp/escaped", "a/b", "", "..", "a\0b", "a b"])
def test_a_scene_of_nyu_is_no_path(tmp_path: Path, scene: str):
    h5py: Any = pytest.importorskip("h5py")
    import numpy as np

    from hma_depth_ros.data.nyu.labelled import open_labelled

    with h5py.File(tmp_path / "l.mat", "w") as file:
        file.create_dataset("images", (1, 3, 640, 480), "u1", chunks=True)
        file.create_dataset("rawDepths", (1, 640, 480), "f4", chunks=True)
        cells = file.create_dataset("sceneTypes", (1, 1), dtype=h5py.ref_dtype)
        codes = np.array([[ord(c)] for c in scene], np.uint16).reshape(-1, 1)
        cells[0, 0] = file.create_dataset("#refs#/0", data=codes).ref
    with (
        pytest.raises(HmaDepthError, match="a scene's type cannot be"),
        open_labelled(tmp_path / "l.mat"),
    ):
        raise AssertionError


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "virtual"])
def test_an_array_of_nyu_is_in_its_own_file(tmp_path: Path, kind: str):
    h5py: Any = pytest.importorskip("h5py")
    from hma_depth_ros.data.nyu.labelled import open_labelled

    shape = (1, 3, 640, 480)
    with h5py.File(tmp_path / "other.mat", "w") as file:
        file.create_dataset("secret", shape, "u1", chunks=True)
    (tmp_path / "raw").write_bytes(bytes(3 * 640 * 480))
    with h5py.File(tmp_path / "l.mat", "w") as file:
        file.create_dataset("rawDepths", (1, 640, 480), "f4", chunks=True)
        if kind == "external link":
            file["images"] = h5py.ExternalLink("other.mat", "secret")
        elif kind == "soft link":
            file["images"] = h5py.SoftLink("/rawDepths")
        elif kind == "external storage":
            file.create_dataset("images", shape, "u1", external=str(tmp_path / "raw"))
        else:
            layout = h5py.VirtualLayout(shape, "u1")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.mat"), "secret", shape)
            file.create_virtual_dataset("images", layout)
    with pytest.raises(HmaDepthError, match="no array 'images'"), open_labelled(tmp_path / "l.mat"):
        raise AssertionError


def test_a_type_of_a_bag_imports_nothing_that_has_come_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The names of message types are those of Python's packages."""
    pytest.importorskip("rclpy.context")
    from hma_depth_ros.ros.bag_tools.message_class import message_class

    for package in ("planted_with_msg", "planted_elsewhere"):
        folder = tmp_path / ("here" if package.endswith("msg") else "path") / package
        (folder / "msg").mkdir(parents=True)
        (folder / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').close()")
        (folder / "msg" / "__init__.py").write_text("class Own: ...\n")
    (tmp_path / "path" / "without_messages.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend(tmp_path / "path")
    monkeypatch.syspath_prepend("")
    for name in ("planted_with_msg", "without_messages", "__main__", "antigravity", "sys"):
        assert message_class(f"{name}/msg/Own") is None
    assert not (tmp_path / "ran").exists()
    assert message_class("planted_elsewhere/msg/Own") is not None  # which the user has put there
    assert message_class("sensor_msgs/msg/Image") is not None


def test_an_onnx_file_opens_no_other(tmp_path: Path):
    onnx: Any = pytest.importorskip("onnx")
    from hma_depth_ros.inference.engines.onnx_conversion import read_onnx

    helper, kind = onnx.helper, onnx.TensorProto
    image = helper.make_tensor_value_info("image", kind.UINT8, [1, 32, 32, 3])
    depth = helper.make_tensor_value_info("depth", kind.FLOAT, [1])
    tensor = helper.make_tensor("w", kind.FLOAT, [1], [1.0])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["depth"])], "g", [image], [depth]
    )
    graph.initializer.append(tensor)
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph), path)
    read_onnx(path)
    for target in ("../secret", "/etc/hostname", "beside"):
        (tmp_path / "beside").write_bytes(bytes(4))
        del graph.initializer[0].external_data[:]
        graph.initializer[0].ClearField("raw_data")
        graph.initializer[0].data_location = kind.EXTERNAL
        entry = graph.initializer[0].external_data.add()
        entry.key, entry.value = "location", target
        path.write_bytes(helper.make_model(graph).SerializeToString())
        with pytest.raises(HmaDepthError, match="its weights are in other files"):
            read_onnx(path)
