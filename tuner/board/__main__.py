"""TensorBoard in a container of its own: `python -m tuner.board /data/logs project/study`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from tuner.board.running import Site, open_board
from tuner.errors import UnavailableError
from tuner.roots import Place


def main() -> int:
    """Run until a signal ends it; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tuner.board", description=__doc__)
    parser.add_argument("log_root", type=Path)
    parser.add_argument("study", help="PROJECT/STUDY; its folder need not be there yet")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=6006)
    options = parser.parse_args()
    try:
        study = Place(options.log_root, options.study)
    except ValueError as exc:
        parser.error(str(exc))
    signal.signal(signal.SIGTERM, _end)
    with open_board(Site(study=study, host=options.host, port=options.port, tell=_tell)) as board:
        try:
            board.start()
            _tell(f"TensorBoard on {options.study} at {options.host}:{options.port}")
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
