"""TensorBoard in a container of its own: `python -m tuner.board /data/logs [project/study]`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path, PurePosixPath
from types import FrameType

from tuner.board.running import LOG_ROOT, STUDY, Site, open_board
from tuner.errors import UnavailableError
from tuner.roots import Place


def main() -> int:
    """Run until a signal; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tuner.board", description=__doc__)
    parser.add_argument("log_root", type=Path)
    parser.add_argument(
        "study",
        nargs="?",
        default="",
        help="PROJECT/STUDY or PROJECT, whose folder need not be there yet; default: all studies",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=6006)
    options = parser.parse_args()
    try:
        source = Place(options.log_root, options.study)
    except ValueError as exc:
        parser.error(str(exc))
    depth = len(PurePosixPath(options.study).parts)
    site = Site(
        source=source,
        runs_at=max(STUDY, LOG_ROOT - depth),
        host=options.host,
        port=options.port,
        tell=_tell,
    )
    signal.signal(signal.SIGTERM, _end)
    with open_board(site) as board:
        try:
            board.start()
            title = options.study or "all studies"
            _tell(f"TensorBoard on {title} at {options.host}:{options.port}, tab Best trials")
            board.keep()
        except KeyboardInterrupt:
            return 0
        except UnavailableError as exc:
            _tell(str(exc))
            return 1


def _end(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - the log of the container


if __name__ == "__main__":
    sys.exit(main())
