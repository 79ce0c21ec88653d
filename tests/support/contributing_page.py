"""The files that CONTRIBUTING.md shows: blocks of code whose first line names one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.support.toy_packages import write_package

PAGE = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"
_BLOCK = re.compile(r"^```(?:python|toml)\n# (\S+)\n(.*?)^```$", flags=re.M | re.S)


def files() -> dict[str, str]:
    """Return the content of every file that the page shows, by its name."""
    return dict(_BLOCK.findall(PAGE.read_text()))


def write_shown(folder: Path) -> None:
    """Install the package that the page shows, without its tests, into a folder."""
    shown = files()
    project = tomllib.loads(shown["pyproject.toml"])["project"]
    groups = project["entry-points"].items()
    entries = "".join(
        f"[{group}]\n" + "".join(f"{name} = {where}\n" for name, where in points.items())
        for group, points in groups
    )
    modules = {
        name.removesuffix(".py"): code
        for name, code in shown.items()
        if name.endswith(".py") and not name.startswith("test_")
    }
    write_package(folder, project["name"], project["version"], modules, entries)
