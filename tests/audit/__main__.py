"""`make audit`: what bandit says of the code, and what is known against the packages of the locks.

    python -m tests.audit [--osv-url URL] [--only code|packages]

The exit code says how it went: 0 all was looked at and nothing found; 1 something was found; 3 NOT
AUDITED: of some packages, or of all, nothing could be learnt. What was not looked at is never good.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.acceptance.environments import ROOT, Environment
from tests.audit.advisories import Audit, ask
from tests.audit.pins import Pin, locks, read_pins

LOCK = "requirements-audit.lock"
CLEAN, FOUND, NOT_AUDITED = 0, 1, 3
_SHOWN = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit; print what there is to say, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description=__doc__)
    parser.add_argument("--osv-url", help="an OSV service (default: the advisories of PyPI)")
    parser.add_argument("--only", choices=("code", "packages"))
    given = parser.parse_args(arguments)
    python = Environment(LOCK, ROOT).python
    codes = []
    if given.only != "packages":
        codes.append(audit_code(python))
    if given.only != "code":
        service = ["--vulnerability-service", "osv", "--osv-url", given.osv_url]
        pins = read_pins(locks())
        with tempfile.TemporaryDirectory() as folder:
            found = ask(python, pins, Path(folder), service if given.osv_url else [])
        lines, code = judge(found, pins)
        report(lines, is_loud=code != CLEAN)
        codes.append(code)
    return FOUND if FOUND in codes else max(codes)


def audit_code(python: Path) -> int:
    """Run bandit over what users install; an exception stands on its line, with a reason."""
    command: list[str | Path] = [python, "-m", "bandit", "--quiet", "--recursive"]
    command += ["--configfile", "pyproject.toml", "--format", "custom"]
    command += ["--msg-template", "{relpath}:{line}: {test_id}: {msg}", "tuner", "workers"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        print("bandit: nothing found in tuner and workers")
        return CLEAN
    # Without findings it has failed itself, and says why beside its warnings.
    lines = done.stdout.splitlines() or done.stderr.splitlines()[-_SHOWN:]
    report(["bandit:", *lines, "an exception, on its line: # nosec B…  # why"], is_loud=True)
    return FOUND


def judge(audit: Audit, pins: dict[Pin, list[str]]) -> tuple[list[str], int]:
    """Return what to say of the packages, and the exit code."""
    lines = [
        f"{finding.pin} ({', '.join(pins.get(finding.pin, []))}): {finding.id}"
        + (f", fixed in {', '.join(finding.fixed_in)}" if finding.fixed_in else "")
        for finding in audit.findings
    ]
    if lines:
        lines.insert(0, f"{len(audit.findings)} ADVISORIES AGAINST PINNED PACKAGES:")
    left = len(pins) - len(audit.audited)
    if not audit.audited:
        why = audit.trouble or next(iter(audit.skipped.values()), "there are no pins")
        lines.append(f"NOT AUDITED: no advisory service could be reached ({why})")
    elif left:
        names = ", ".join(map(str, sorted(audit.skipped)[:_SHOWN]))
        more = f" and {left - _SHOWN} more" if left > _SHOWN else ""
        lines.append(f"NOT AUDITED: {left} of {len(pins)} packages: {names}{more}")
    else:
        lines.append(f"{len(pins)} packages of the locks audited, {len(audit.findings)} advisories")
    code = FOUND if audit.findings else NOT_AUDITED if left or not pins else CLEAN
    return lines, code


def report(lines: Sequence[str], *, is_loud: bool) -> None:
    """Print lines, and put what went wrong on the page of the CI job as well."""
    mark = "*** " if is_loud else ""
    for line in lines:
        print(f"{mark}{line}")
    page = os.environ.get("GITHUB_STEP_SUMMARY")
    if page and is_loud:
        with Path(page).open("a") as file:
            file.write("".join(f"- **{line}**\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
