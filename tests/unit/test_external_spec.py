"""What the commands say of a spec whose trials no worker executes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tuner.cli.main import main

SPEC = """
project: demo
study: elsewhere
objective: external
metric: {name: score, goal: maximize}
search_space:
  model.units: {type: int, low: 1, high: 9}
budget: {trials: 3}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere.yaml"
    path.write_text(SPEC)
    return path


def test_run_refuses_it_and_names_what_executes_it(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", str(spec)])

    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "objective: external: no worker executes" in said
    assert "docs/keras-tuner.md" in said


def test_check_looks_at_the_spec_and_runs_no_trial(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", str(spec), "--json"])

    found = json.loads(capsys.readouterr().out)
    assert (ended.value.code or 0, found["ok"], found["trial"]) == (0, True, None)
    assert found["code"]["snapshot"] is None
    assert any("objective: external" in warning for warning in found["warnings"])
