"""Makes docs/run.png and docs/board.png: `python -m tests.pictures [--home HOME]`.

The example study is run in a home of its own, as `make run` does, or taken from `--home`, where it
was run before.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.pictures.browser import take
from tests.pictures.terminal import record, shown, to_svg

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SPEC = "search_spaces/examples/digits.yaml"
STUDY = "examples/digits"
COLUMNS = 118
#: Lines of the picture: the last trials, the table, what the study taught.
LINES = 38
#: As `make run` starts it, where `make setup` was.
INSTALLED = ".venv/bin/tuner"
TUNER = [INSTALLED] if (ROOT / INSTALLED).exists() else [sys.executable, "-P", "-m", "tuner"]


def picture_the_terminal(environ: dict[str, str]) -> None:
    """Run the example in a terminal and write docs/run.png."""
    command = [*TUNER, "run", SPEC, "--workers", "2"]
    written = record(command, folder=ROOT, environ=environ, columns=COLUMNS)
    # A picture is of everybody's machine.
    lines = shown(written.replace(environ["TUNER_HOME"], "~/.local/share/tuner"))
    kept = ["$ make run", "…", *lines[-LINES:]] if len(lines) > LINES else ["$ make run", *lines]
    svg = to_svg(kept, title="tuner", columns=COLUMNS)
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    if size is None:
        raise RuntimeError("the SVG says no size")
    with tempfile.TemporaryDirectory(prefix="tuner-pictures-") as scratch:
        page = Path(scratch, "run.svg")
        page.write_text(svg)
        width, height = (int(float(number)) for number in size.groups())
        take(page.as_uri(), DOCS / "run.png", width=width, height=height)


def picture_the_board(environ: dict[str, str]) -> None:
    """Open TensorBoard on the example and write docs/board.png."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    board = subprocess.Popen(
        [*TUNER, "board", STUDY, "--port", str(port)],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_it_answers(f"{url}/data/plugin/best_trials/studies", board)
        take(f"{url}/#best_trials", DOCS / "board.png", width=1500, height=820, wait_s=30)
    finally:
        os.killpg(board.pid, signal.SIGINT)
        board.wait()


def wait_until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers, or raise when its process has ended."""
    while process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - ours
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"it ended with status {process.returncode}")


def main() -> None:
    """Make both pictures."""
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=__doc__)
    parser.add_argument("--home", type=Path, help="a home, kept; default: one for the time being")
    parser.add_argument("--only", choices=["run", "board"], help="one of the two")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tuner-pictures-home-") as scratch:
        home = options.home or Path(scratch)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TUNER_")}
        environ = kept | {"TUNER_HOME": str(home), "CUDA_VISIBLE_DEVICES": "-1"}
        environ.setdefault("PYTHONPATH", str(ROOT))
        if options.only != "board":
            picture_the_terminal(environ)
        if options.only != "run":
            picture_the_board(environ)


if __name__ == "__main__":
    main()
