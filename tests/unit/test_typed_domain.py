"""The type checker knows studies, trials, attempts and workers, and refuses what they are not."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from tuner.storage import tables
from tuner.trials.attempt import Attempt
from tuner.trials.states import StudyState
from tuner.trials.study import Study
from tuner.trials.trial import Trial
from tuner.trials.worker import Worker

ROOT = Path(__file__).parents[2]
#: Where rows are read.
REPOSITORIES = ("tuner/trials/store/", "tuner/history/store/", "tuner/storage/")

#: Lines that the type checker refuses, with what it says of each.
REFUSED = {
    "attempt.lease_untill": 'has no attribute "lease_untill"; maybe "lease_until"',
    "study.revizion": 'has no attribute "revizion"; maybe "revision"',
    'attempt.state == "leesed"': "Non-overlapping equality check",
    'attempt.state == "leased"': "Non-overlapping equality check",
    'study.state in ("running", "paused")': "Non-overlapping container check",
    "attempt.state is TrialState.RUNNING": "Non-overlapping identity check",
    "AttemptState.LEESED": 'has no attribute "LEESED"',
    'attempt.cause == "losst"': "Non-overlapping equality check",
    "attempt.lease_until + 1.0": "Unsupported operand types",
    "study.name.revision": 'has no attribute "revision"',
    'Outcome(state=TrialState.FAIL, cause="lots", counted=True)': "incompatible type",
    'Outcome(state="fail", counted=True)': "incompatible type",
}
ACCEPTED = (
    "attempt.lease_until",
    "study.revision",
    "attempt.state is AttemptState.LEASED",
    "study.state in (StudyState.RUNNING, StudyState.PAUSED)",
    'attempt.cause == "lost"',
    'Outcome(state=TrialState.FAIL, cause="lost", counted=True)',
)
_HEAD = """\
from tuner.trials.attempt import Attempt
from tuner.trials.states import AttemptState, StudyState, TrialState
from tuner.trials.store.trials import Outcome
from tuner.trials.study import Study


def look(study: Study, attempt: Attempt) -> None:
"""


@pytest.mark.slow
def test_the_type_checker_refuses_what_no_study_and_no_attempt_is(tmp_path: Path) -> None:
    lines = [*REFUSED, *ACCEPTED]
    snippet = tmp_path / "snippet.py"
    snippet.write_text(_HEAD + "".join(f"    print({line})\n" for line in lines))
    # Warm where a check of the whole tree was made here before.
    cache = tmp_path / "mypy"
    said = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", cache, "--no-error-summary", snippet],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found: dict[str, str] = {}
    first = _HEAD.count("\n") + 1
    for number, text in re.findall(r"snippet\.py:(\d+): error: (.*)", said.stdout):
        found[lines[int(number) - first]] = text

    assert not said.stderr
    assert set(found) == set(REFUSED), said.stdout
    assert {line for line, text in found.items() if REFUSED[line] not in text} == set(), found


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        (Study, tables.studies),
        (Trial, tables.trials),
        (Attempt, tables.attempts),
        (Worker, tables.workers),
    ],
)
def test_what_is_made_of_a_row_has_its_columns_in_their_order(
    kind: type[Study | Trial | Attempt | Worker], table: sa.Table
) -> None:
    assert [field.name for field in dataclasses.fields(kind)] == [c.name for c in table.columns]


def test_a_row_in_a_state_that_is_none_makes_no_study() -> None:
    row = [None] * len(tables.studies.columns)
    position = [column.name for column in tables.studies.columns].index("state")
    row[position] = "resting"  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="'resting' is not a valid StudyState"):
        Study.of(row)
    row[position] = "running"  # type: ignore[call-overload]
    assert Study.of(row).state is StudyState.RUNNING
    with pytest.raises(ValueError, match="shorter"):
        Study.of(row[:-1])


def test_rows_of_the_database_do_not_leave_the_repositories() -> None:
    modules = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("tuner/**/*.py"))
    with_rows = [name for name in modules if re.search(r"\bRow\[", (ROOT / name).read_text())]
    outside = {name for name in with_rows if not name.startswith(REPOSITORIES)}

    assert outside == set(), "read rows in a repository and return what they mean"
