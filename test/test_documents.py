"""What documents and project files name is there."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import hma_depth_ros

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "hma_depth_ros"
#: For people; the changelog tells of what there was, too.
DOCUMENTS = sorted(
    [*(REPOSITORY / "docs").glob("*.md"), REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md"]
)
SOURCES = sorted(
    path
    for folder in ("hma_depth_ros", "launch", "test", "docs", ".ci")
    for path in (REPOSITORY / folder).rglob("*.py")
)

#: A module, with folders or without.
_MODULE = re.compile(r"(?<![\w./*{-])([\w./-]*\w\.py)\b(?![\w{])")
#: Python files of others that are spoken of.
FOREIGN = {
    *("pytorch/bts.py", "bts.py", "bts_test.py", "eval_with_pngs.py", "bts_dataloader.py"),
    *("bts_main.py", "bts_live_3d.py", "extract_official_train_test_set_from_mat.py"),
    "setup.py",
}


def spoken(path: Path) -> str:
    """A document's text; of a module what is said in it: docstrings and comments."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    said = [line.partition("#")[2] for line in text.splitlines() if "#" in line]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            said.append(ast.get_docstring(node) or "")
    return "\n".join(said)


def is_there(name: str, beside: Path) -> bool:
    """Whether a module is named by its path, or by the last part of it that tells."""
    if any((root / name).is_file() for root in (REPOSITORY, PACKAGE, beside.parent)):
        return True
    # Tests by their whole names: a helper of theirs may be called as a module was.
    known = [s for s in SOURCES if s.name.startswith("test_") or "test" not in s.parts]
    return any(source.as_posix().endswith(f"/{name}") for source in known)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_modules_that_exist(path: Path):
    named = set(_MODULE.findall(spoken(path))) - FOREIGN
    assert {name for name in named if not is_there(name, path)} == set()


def test_docstrings_and_comments_name_modules_that_exist():
    wrong = {
        f"{path.relative_to(REPOSITORY)}: {name}"
        for path in SOURCES
        if path != Path(__file__)
        for name in set(_MODULE.findall(spoken(path))) - FOREIGN
        if not is_there(name, path)
    }
    assert wrong == set()


#: `Class.member`; `folder.module.name` is looked for by the package's folders.
_MEMBER = re.compile(r"`([A-Z]\w*[a-z]\w*\.\w+)`")


def test_documents_and_docstrings_name_members_that_exist():
    folders = "|".join(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
    dotted = re.compile(rf"`((?:{folders})\.\w+\.\w+)`")
    members = defined_names() | {name for path in SOURCES for name in attributes_in(path)}
    own = {name.partition(".")[0] for name in members if "." in name}
    wrong = []
    for path in [*DOCUMENTS, *SOURCES]:
        text = spoken(path)
        named = [name for name in _MEMBER.findall(text) if name.partition(".")[0] in own]
        wrong += [f"{path}: {name}" for name in named if name not in members]
        for name in dotted.findall(text):
            *folder, member = name.split(".")
            module = PACKAGE.joinpath(*folder).with_suffix(".py")
            if not module.is_file() or member not in names_in(module):
                wrong.append(f"{path}: {name}")
    assert wrong == []


def attributes_in(path: Path) -> Iterator[str]:
    """What methods set of their own object, as Class.attribute."""
    for cls in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(cls, ast.ClassDef):
            for node in ast.walk(cls):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    yield f"{cls.name}.{node.attr}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    own = {link for link in links if "://" not in link}
    assert {link for link in own if not (path.parent / link).exists()} == set()


def tables(text: str) -> Iterator[list[list[str]]]:
    """Rows of cells, of each block of lines that begin with a bar."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for block in re.findall(r"^(?:\|.*\n)+", text, re.MULTILINE):
        lines = [re.sub(r"`[^`]*`", "code", line) for line in block.splitlines()]
        yield [re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in lines]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_tables_are_whole(path: Path):
    """An empty line or a cell too few makes text with bars of what follows."""
    for rows in tables(path.read_text(encoding="utf-8")):
        title = " | ".join(rows[0])
        assert len(rows) > 2 and all(re.fullmatch(r" ?:?-+:? ?", cell) for cell in rows[1]), title
        assert {len(row) for row in rows} == {len(rows[0])}, title


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_headings_stand_by_themselves(path: Path):
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    assert re.findall(r"^.+\n(#+ .+)$", text, re.M) == []


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub and the site have them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in headings}


def test_anchors_are_headings():
    """`make docs` looks at them too; this does so without the network."""
    links = [
        (path, path if not target else (path.parent / target).resolve(), anchor)
        for path in DOCUMENTS
        for target, anchor in re.findall(
            r"\]\(([\w./]*)#([^)]+)\)", path.read_text(encoding="utf-8")
        )
    ]
    assert len(links) > 8
    assert [link for link in links if link[2] not in anchors(link[1])] == []


def test_the_site_has_every_page():
    """And no other: `make docs` would fail."""
    pages = {path.name for path in (REPOSITORY / "docs").glob("*.md")}
    listed = re.findall(r"^ +- (?:\w+: )?(\w+\.md)$", (REPOSITORY / "mkdocs.yml").read_text(), re.M)
    assert len(set(listed)) == len(listed)
    hooks = (REPOSITORY / ".ci" / "site_pages.py").read_text(encoding="utf-8")
    generated = set(re.findall(r'^    "\w+\.md": "(\w+\.md)",$', hooks, re.M))
    assert set(listed) == pages | generated


@cache
def defined_names() -> frozenset[str]:
    """All classes, functions and constants there are; methods as Class.method."""
    return frozenset(name for path in SOURCES for name in names_in(path))


def names_in(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        yield from names_of(node)
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                for name in names_of(part):
                    yield f"{node.name}.{name}"


def names_of(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_contributing_names_what_there_is():
    """Folders, files, classes and constants; and make's targets."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    quoted = set(re.findall(r"`([^`\n]+)`", text))
    paths = {name for name in quoted if re.fullmatch(r"[\w./-]+(/|\.(py|yaml|md|txt|xml))", name)}
    assert len(paths) > 30
    lacking = {n for n in paths if not (REPOSITORY / n).exists() and not (PACKAGE / n).exists()}
    assert lacking == set()
    names = {n for n in quoted if re.fullmatch(r"[A-Z]\w+(\.\w+)?|\w+_\w+", n)}
    commands = {path.stem for path in (PACKAGE / "cli").glob("*.py")}
    assert len(names) > 10
    assert names - defined_names() - commands == {"HMA_DEPTH_DATA"}
    targets = set(re.findall(r"^([a-z-]+):.*##", (REPOSITORY / "Makefile").read_text(), re.M))
    assert set(re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)`", text, re.M))
    assert {
        a or b for a, b in re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)`", text, re.M)
    } <= targets


def read_yaml(name: str) -> Any:
    return yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))


def test_the_citation_is_of_this_version_and_of_the_paper():
    citation = read_yaml("CITATION.cff")
    assert citation["version"] == hma_depth_ros.__version__
    (paper,) = citation["references"]
    readme = " ".join((REPOSITORY / "README.md").read_text(encoding="utf-8").split())
    families = ", ".join(author["family-names"] for author in paper["authors"])
    assert f"({families}: *{paper['title']}*, MVA {paper['year']})" in readme


def test_hooks_check_what_make_lint_checks():
    (local,) = read_yaml(".pre-commit-config.yaml")["repos"]
    hooks = [hook["entry"].replace(" --force-exclude", "") for hook in local["hooks"]]
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    lint = makefile.partition("\nlint:")[2].partition("\n\n")[0]
    checks = re.findall(r"\$\(VENV\) (-m .*?)(?: \.)?$", lint, re.M)
    assert hooks == [f".venv/bin/python {check}" for check in checks]
    pinned = (REPOSITORY / "requirements-dev.txt").read_text(encoding="utf-8")
    for check in checks:
        assert re.search(rf"^{check.split()[1]}==", pinned, re.M), check


def test_the_workflow_is_ci_run():
    workflow = read_yaml(".github/workflows/ci.yml")
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    made = (REPOSITORY / ".ci" / "make_venv.py").read_text(encoding="utf-8")
    limits = re.search(r"^OLDEST, NEWEST = \((\d+), (\d+)\), \((\d+), (\d+)\)$", made, re.M)
    assert limits is not None
    oldest, newest = f"{limits[1]}.{limits[2]}", f"{limits[3]}.{limits[4]}"
    assert job["strategy"]["matrix"]["python"] == [oldest, newest]
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)
    if (REPOSITORY / ".git").exists():
        mode = subprocess.run(
            ["git", "ls-files", "--stage", ".ci/run"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert mode.startswith("100755")


def script(name: str) -> ModuleType:
    """A module of .ci, which is no package."""
    spec = spec_from_file_location(name, REPOSITORY / ".ci" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def make_api() -> ModuleType:
    """What writes docs/api.md."""
    return script("make_api")


def test_the_tables_of_topics_parameters_and_launch_are_what_the_code_says():
    """If this fails, `make api` writes them anew."""
    make_reference = script("make_reference")
    for name in make_reference.PAGES:
        page = (REPOSITORY / "docs" / name).read_text(encoding="utf-8")
        assert page.splitlines() == make_reference.written(name).splitlines()
    node = (REPOSITORY / "docs" / "node.md").read_text(encoding="utf-8")
    assert "| `camera_info` | `sensor_msgs/CameraInfo` | **P** counts" in node
    assert re.search(r"\| `max_range` \| 0\.0 \| live \| .* From 0\.0 to 1000\.0\. \|", node)
    assert re.search(r"\| `rviz` \| `false` \| Whether ", node)


def test_the_page_of_the_public_api_is_what_the_code_says(make_api: ModuleType):
    """If this fails, `make api` writes the page anew: see whether the change was meant."""
    page = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
    assert page.splitlines() == make_api.page().splitlines()
    for modules, names in make_api.PUBLIC.items():
        assert f"### `hma_depth_ros.{modules}`" in page
        assert all(re.search(rf"`{name}\b", page) for name in names)
    without_meaning = [line for line in page.splitlines() if re.fullmatch(r"- [^:]*`", line)]
    assert without_meaning == []


def test_a_signature_of_the_page_is_as_python_has_it(make_api: ModuleType):
    """By a class of each kind, beside what `inspect` says of it."""
    from inspect import signature

    from hma_depth_ros.geometry.camera import PinholeCamera

    lines = "\n".join(make_api.Module("geometry.camera").section(("PinholeCamera",)))
    for name in ("from_projection", "resize", "crop"):
        of_python = str(signature(getattr(PinholeCamera, name))).replace("'", "")
        assert f"  - `{name}{of_python.replace('(self, ', '(')}`: " in lines
    assert "  - `fx: float`: focal length in pixels\n" in lines


def test_documents_and_examples_use_the_public_api_alone(make_api: ModuleType):
    texts = [path.read_text(encoding="utf-8") for path in DOCUMENTS]
    programs = [p for text in texts for p in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]
    examples = sorted((REPOSITORY / "docs" / "examples").glob("*.py"))
    programs += [path.read_text(encoding="utf-8") for path in examples]
    used = {
        ((node.module or "").removeprefix("hma_depth_ros."), alias.name)
        for program in programs
        for node in ast.walk(ast.parse(program))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hma_depth_ros")
        for alias in node.names
    }
    assert len(used) > 20
    public = {(module, name) for module, names in make_api.PUBLIC.items() for name in names}
    assert used - public == set()
