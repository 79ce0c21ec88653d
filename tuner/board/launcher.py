"""The process that becomes TensorBoard: `python -m tuner.board.launcher`.

It gives up its rights first, and only then loads TensorBoard.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import sys
import threading
import time
from pathlib import Path

from tuner.board.confinement import board_rights
from tuner.board.landlock import confine

#: Exit status: its data server has ended, so that no page can be shown any more.
READER_ENDED = 70
#: A plugin that opens files by names from a run's own data.
_UNWANTED = "projector"
#: Seconds between reads of event files. With 5 000 runs this costs the data server 4 % of a core,
#: and the view 5 % (`tuner.board.running`); a new result appears after at most 4 s.
_RELOAD_S = 2
#: Maximum length of a note.
_LONGEST = 500


def main() -> None:
    """Run TensorBoard until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--log-root", type=Path, required=True)
    parser.add_argument("--view", type=Path, required=True)
    parser.add_argument("--ready", type=Path, required=True, help="there when the view is")
    parser.add_argument("--notes", type=Path, required=True, help="gets what people should know")
    parser.add_argument("--without", action="append", default=[_UNWANTED], help="a plugin")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--unconfined", action="store_true")
    options = parser.parse_args()
    if not options.unconfined:
        home = Path(os.environ["HOME"])
        confine(board_rights(options.log_root, options.view, home, options.port))
    # It keeps every event file open, and studies have thousands of them.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sys.exit(_run(options))


def _run(options: argparse.Namespace) -> int:
    from absl import app
    from tensorboard import main_lib, program
    from tensorboard.plugins import base_plugin

    from tuner.board.plugins import load_plugins, watch_own_tab

    main_lib.global_init()

    def tell(line: str) -> None:
        with options.notes.open("a") as notes:
            notes.write(" ".join(line.split())[:_LONGEST] + "\n")

    watch_own_tab(tell)
    board = program.TensorBoard(plugins=load_plugins(options.without, tell))
    arguments = ["tensorboard", "--logdir", str(options.view)]
    arguments += ["--reload_interval", str(_RELOAD_S)]
    arguments += ["--host", options.host, "--port", str(options.port)]
    # The default is a thousand points of a curve, sampled at random; a study has one for each
    # trial.
    arguments += ["--samples_per_plugin", "scalars=10000"]
    while not options.ready.exists():
        time.sleep(0.02)
    threading.Thread(target=_end_with_reader, name="reader", daemon=True).start()
    try:
        app.run(board.main, arguments, flags_parser=board.configure)
    except base_plugin.FlagsError as exc:
        print(f"Error: {exc}", file=sys.stderr)  # noqa: T201 - into the log of the command
    return 1


def _end_with_reader() -> None:
    """End this process when its only child, the data server, has ended."""
    while True:
        with contextlib.suppress(ChildProcessError):
            # Not reaped: if it ends during the start, TensorBoard notices and falls back to its
            # slow reader.
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            time.sleep(2)
            if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
                os._exit(READER_ENDED)
        time.sleep(0.2)


if __name__ == "__main__":
    main()
