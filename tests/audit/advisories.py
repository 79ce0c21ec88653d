"""What is known against the pinned packages, asked of an advisory service by pip-audit.

pip-audit exits with 0 where it could not look at a single package. Here each pin has to come back
as looked at; one that does not is an answer of its own.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.audit.pins import Pin, normal

ACCEPTED = Path(__file__).with_name("accepted.toml")
#: One of the service's answers may take so long, and all of them, in seconds.
_ANSWER_S, _ALL_S = 15, 600
#: So many packages are asked for first.
_FEW = 3


@dataclass(frozen=True)
class Finding:
    """An advisory against a pin."""

    pin: Pin
    id: str
    fixed_in: tuple[str, ...]


@dataclass(frozen=True)
class Audit:
    """What an advisory service said.

    Attributes:
        audited: pins that it was asked for and has answered.
        findings: advisories that nobody has accepted.
        skipped: why pins were not looked at.
        trouble: why there is no answer at all.
    """

    audited: frozenset[Pin] = frozenset()
    findings: tuple[Finding, ...] = ()
    skipped: dict[Pin, str] = field(default_factory=dict)
    trouble: str = ""


def ask(python: Path, pins: Iterable[Pin], folder: Path, service: Sequence[str]) -> Audit:
    """Ask an advisory service for each pin.

    Args:
        python: of an environment that has pip-audit.
        pins: any number; one package may have several versions.
        folder: for files.
        service: options of pip-audit, as `--vulnerability-service osv`.
    """
    wanted = sorted(pins)
    # A service that is away takes its time for each of hundreds.
    few = _ask(python, wanted[:_FEW], folder, service)
    if not few.audited:
        return few
    return _ask(python, wanted, folder, service)


def _ask(python: Path, pins: Sequence[Pin], folder: Path, service: Sequence[str]) -> Audit:
    answers = []
    for group in _apart(pins):
        file = folder / "pins.txt"
        file.write_text("".join(f"{pin}\n" for pin in group))
        command: list[str | Path] = [python, "-m", "pip_audit", "--disable-pip", "--no-deps"]
        command += ["--progress-spinner", "off", "--format", "json", "--timeout", str(_ANSWER_S)]
        command += [*service, "--requirement", file]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_ALL_S
            )
        except subprocess.TimeoutExpired:
            return Audit(trouble=f"pip-audit has not ended within {_ALL_S} s")
        answers.append((done.stdout, done.stderr))
    return read_answers(pins, answers, accepted())


def read_answers(
    wanted: Sequence[Pin], answers: Sequence[tuple[str, str]], known: frozenset[str]
) -> Audit:
    """Return what pip-audit's answers say; a pin that none of them names was not looked at."""
    audited: set[Pin] = set()
    findings: list[Finding] = []
    skipped: dict[Pin, str] = {}
    for printed, said in answers:
        try:
            rows: list[dict[str, Any]] = json.loads(printed)["dependencies"]
        except (ValueError, KeyError, TypeError):
            last = (said.strip().splitlines() or ["nothing was printed"])[-1]
            return Audit(trouble=f"pip-audit: {last[:300]}")
        for row in rows:
            if "skip_reason" in row:
                named = {pin for pin in wanted if pin.name == normal(row["name"])}
                skipped |= dict.fromkeys(named, str(row["skip_reason"])[:200])
                continue
            pin = Pin(normal(row["name"]), str(row["version"]))
            audited.add(pin)
            for found in row["vulns"]:
                if known.isdisjoint({found["id"], *found.get("aliases", [])}):
                    fixed = tuple(map(str, found.get("fix_versions", [])))
                    findings.append(Finding(pin, str(found["id"]), fixed))
    missing = {pin: "pip-audit says nothing of it" for pin in wanted if pin not in audited}
    return Audit(
        audited=frozenset(audited & set(wanted)),
        findings=tuple(findings),
        skipped={pin: skipped.get(pin, why) for pin, why in missing.items()},
    )


def accepted(file: Path = ACCEPTED, today: datetime.date | None = None) -> frozenset[str]:
    """Return the ids of advisories that were looked at and accepted, and are not out of date."""
    today = today or datetime.datetime.now(datetime.UTC).date()
    rows = tomllib.loads(file.read_text()).get("accepted", [])
    assert all(row["why"].strip() for row in rows), f"{file}: each entry says why"
    return frozenset(row["id"] for row in rows if row["until"] >= today)


def _apart(pins: Sequence[Pin]) -> list[list[Pin]]:
    """Return groups in which no package has two versions."""
    groups: list[dict[str, Pin]] = []
    for pin in pins:
        free = next((group for group in groups if pin.name not in group), None)
        if free is None:
            free = {}
            groups.append(free)
        free[pin.name] = pin
    return [list(group.values()) for group in groups]
