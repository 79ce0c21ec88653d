"""Every file, folder and class that docs/architecture.md names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
NAMED = re.findall(r"`([^`\n]+)`", TEXT)
#: In the picture paths stand without marks.
DRAWN = re.findall(r"\b(?:tuner|workers)/[\w/]+", TEXT)


def test_every_path_exists() -> None:
    paths = {name for name in NAMED if name.startswith(("tuner/", "workers/"))} | set(DRAWN)

    assert len(paths) > 80
    assert [p for p in sorted(paths) if not _exists(p)] == []


def test_every_class_is_defined() -> None:
    classes = {name for name in NAMED if re.fullmatch(r"[A-Z][A-Za-z]*[a-z][A-Za-z]*", name)}
    modules = [path for top in ("tuner", "workers") for path in (ROOT / top).rglob("*.py")]
    defined = {
        node.name
        for path in modules
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }

    assert len(classes) > 8
    assert sorted(classes - defined) == []


def test_every_class_is_defined_in_the_file_that_is_named_beside_it() -> None:
    pairs = re.findall(r"`([A-Z]\w+)` \(`([\w/]+\.py)`\)", TEXT)

    assert len(pairs) > 5
    for name, path in pairs:
        assert re.search(rf"^class {name}\b", (ROOT / path).read_text(), re.MULTILINE), name


def test_every_package_of_tuner_stands_in_it() -> None:
    packages = {path.parent.name for path in (ROOT / "tuner").glob("*/__init__.py")}
    written = {match[1] for match in re.finditer(r"tuner/(\w+)", TEXT)}

    assert sorted(packages - written) == []


def test_each_way_has_ten_steps() -> None:
    ways = re.findall(r"^## The way of .+?(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)

    assert [len(re.findall(r"^\d+\. ", way, re.MULTILINE)) for way in ways] == [10, 10, 10]


def _exists(path: str) -> bool:
    return (ROOT / path).exists() or (ROOT / f"{path}.py").exists()
