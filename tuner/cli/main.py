"""The entry point: runs the command, turns errors of ours into a message and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from tuner.cli.exit_codes import DONE, FAILED, INTERRUPTED, WRONG
from tuner.errors import TunerError, UnavailableError
from tuner.system import pip_install


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command in `args` (default: those of the process) and exit with its code."""
    try:
        from tuner.cli.app import app

        app(args, prog_name="tuner")
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] in ("tuner", "workers"):
            raise
        _say(
            f"the module {exc.name!r} is missing: the command needs Tuner's extra `server`; "
            f"in the clone: {pip_install('.[server]')} (docs/install.md has the other ways)"
        )
        sys.exit(WRONG)
    except TunerError as exc:
        _say(str(exc))
        sys.exit(FAILED if isinstance(exc, UnavailableError) else WRONG)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as exc:
        if exc.filename is None:
            raise
        _say(f"{exc.filename}: {exc.strerror}")
        sys.exit(FAILED)
    sys.exit(DONE)


def _say(message: str) -> None:
    first, *rest = message.splitlines() or [""]
    label = "\x1b[1;31mtuner:\x1b[0m" if sys.stderr.isatty() else "tuner:"
    print(f"{label} {first}", *rest, sep="\n", file=sys.stderr)
