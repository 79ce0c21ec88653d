"""What a type checker says of a script of a user's, or of ours."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def check_types(script: str, folder: Path) -> dict[int, str]:
    """Return what mypy (strict) complains of, by line of the script; the first line is 1.

    Args:
        script: what is checked.
        folder: an empty one, where it is written.
    """
    (folder / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", folder / "cache", "script.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(r"(?m)^script\.py:(\d+): error: (.*)$", done.stdout)
    return {int(line): text for line, text in reversed(found)}
