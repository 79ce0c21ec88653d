"""The entry point: runs the command, turns errors into a message and an exit code."""

from __future__ import annotations

import errno
import io
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from tuner.cli import faults
from tuner.cli.calling import program, spell
from tuner.cli.exit_codes import DONE, FAILED, INTERRUPTED, WRONG
from tuner.errors import ClockWarning, TunerError, UnavailableError
from tuner.runtime.system import pip_install
from tuner.security.secrecy import keep_secrets
from tuner.visible import visible

_show_others = warnings.showwarning


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command in `args` (default: those of the process) and exit with its code."""
    keep_secrets(os.environ)
    warnings.showwarning = _show_warning
    code = _answer(args)
    broken = faults.flush_output()
    if broken is not None:
        if broken.errno != errno.EPIPE and code == DONE:
            _say(f"what is printed cannot be written where it goes: {broken.strerror}")
        faults.silence(1)
        code = code or FAILED
    sys.exit(code)


def _answer(args: Sequence[str] | None) -> int:
    """Run the command, say what went wrong, and return the exit code."""
    try:
        return _run(args)
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] in ("tuner", "workers"):
            return _fail(faults.report(exc))
        _say(
            f"the module {exc.name!r} is missing: the command needs Tuner's extra `server`; "
            f"in the clone: {pip_install('.[server]')} (docs/install.md has the other ways)"
        )
        return WRONG
    except TunerError as exc:
        # SQLite says what happened, but not in which file.
        is_ours = str(exc).startswith(faults.NO_DATABASE)
        _say(f"{exc}{faults.about_database() if is_ours else ''}")
        return FAILED if isinstance(exc, UnavailableError) else WRONG
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return FAILED
    except Exception as exc:  # noqa: BLE001 - what this one shows would be a traceback
        return _fail(faults.explain(exc) or faults.report(exc))


def _run(args: Sequence[str] | None) -> int:
    from typer import Abort
    from typer.exceptions import TyperException

    from tuner.cli.app import app
    from tuner.cli.usage import reword

    try:
        # Not standalone: Typer would otherwise word errors in terms of the libraries that it uses.
        return int(app(args, prog_name=program(), standalone_mode=False) or DONE)
    except Abort:
        return FAILED
    except TyperException as exc:
        reword(exc)
        show = getattr(exc, "show", None)
        if show is None:
            _say(exc.message)
        else:
            said = io.StringIO()
            show(file=said)
            sys.stderr.write(visible(said.getvalue()))
        return exc.exit_code


def _fail(message: str) -> int:
    _say(message)
    return FAILED


def _show_warning(message: Warning | str, category: type[Warning], *where: Any, **how: Any) -> None:
    """Show a warning of ours as a sentence, one of a library in Python's format."""
    if issubclass(category, ClockWarning):
        _say(str(message), "warning", _YELLOW)
    else:
        _show_others(message, category, *where, **how)


#: Escape sequences for colours.
_RED, _YELLOW = "\x1b[1;31m", "\x1b[33m"


def _say(message: str, label: str = "tuner", colour: str = _RED) -> None:
    first, *rest = visible(spell(message)).splitlines() or [""]
    label = f"{colour}{label}:\x1b[0m" if sys.stderr.isatty() else f"{label}:"
    try:
        print(f"{label} {first}", *rest, sep="\n", file=sys.stderr)
    except OSError:
        faults.silence(2)
