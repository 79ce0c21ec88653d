"""The script that `tuner launch ray` writes, and whose Python runs it."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from tests.support.launch_plan import SETTINGS, plan
from tuner.launch import ray as ray_desk
from tuner.launch.ray_script import RayAsk
from tuner.launch.ray_script import write_script as ray_script


def test_the_ray_script_needs_nothing_but_ray_and_the_standard_library() -> None:
    script = ray_script(plan(exports={"A": "'\"\\ \u2028"}), RayAsk(address="10.0.0.5:6379"))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(script))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert imported - set(sys.stdlib_module_names) == {"ray"}
    space: dict[str, object] = {"__name__": "script"}
    exec(script, space)  # noqa: S102 - it is ours
    filled = space["PLAN"]
    assert isinstance(filled, dict)
    assert filled["exports"] == {"A": "'\"\\ \u2028"}
    assert filled["settings"] == SETTINGS
    assert (filled["workers"], filled["num_gpus"]) == (4, 0)


def test_the_ray_script_is_understood_by_an_older_python() -> None:
    ast.parse(ray_script(plan(), RayAsk()), feature_version=(3, 9))


def test_the_python_beside_ray_on_the_path_is_taken(tmp_path: Path) -> None:
    for name in ("ray", "python"):
        (tmp_path / name).touch(mode=0o755)

    assert ray_desk.find_python(None, {"PATH": str(tmp_path)}) == tmp_path / "python"
