"""The screens of a study and of the list, on terminals of any width."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from rich.console import Console

from tests.support.history.database import HistoryDatabase, complete, grid, history_database
from tuner.cli.render import output
from tuner.cli.render.study.headings import print_best
from tuner.cli.render.study.leaderboard import print_board, read_board
from tuner.cli.render.study.lessons import importance_facts, importance_text
from tuner.cli.render.study.screen import print_screen, read_screen
from tuner.cli.render.tables import facts, now_text, study_table
from tuner.cli.render.trial.page import print_trial
from tuner.proposals.pruners.marks import STOPPED
from tuner.storage import optuna_rows, tables

WIDTHS = (60, 80, 110, 200)


@pytest.fixture
def base(tmp_path: Path) -> Iterator[HistoryDatabase]:
    with history_database(tmp_path) as base:
        yield base


def shown(width: int, show: Callable[[Console], object], encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    console = Console(file=file, width=width, no_color=True, theme=output._THEME, highlight=False)
    show(console)
    file.flush()
    return raw.getvalue().decode(encoding)


def fits(text: str, width: int) -> bool:
    return max(len(line.rstrip()) for line in text.splitlines()) <= width


def scored(count: int) -> list[Any]:
    """Trials of which the rate decides, the best at the upper end of its range."""
    trials = grid(count)
    for params in trials[-6:]:
        params["train.rate"] = 0.1
    return [complete(params, params["train.rate"]) for params in trials]


def study(base: HistoryDatabase, rows: list[Any], **changes: Any) -> str:
    base.add_study("s", rows, **changes)
    return "vision/s"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_study_is_one_screen_of_24_lines(base: HistoryDatabase, width: int) -> None:
    name = study(base, scored(30), pruner="asha", budget={"trials": 60})
    with base.storage.begin() as connection:
        row = connection.execute(sa.select(tables.studies)).one()
        for number in (30, 31):
            running = complete(grid(40)[number], 0.0, state="running", objective=None, started=1e9)
            key = {"study_id": row.id, "number": number, "optuna_id": -1}
            connection.execute(tables.trials.insert().values(**key, **running))
        report = {"study_id": row.id, "number": 30, "no": 1, "step": 7, "value": 0.5, "time": 1e9}
        connection.execute(tables.reports.insert().values(**report))
    screen = read_screen(base.service, base.service.status(name))
    text = shown(width, lambda console: print_screen(console, screen))

    assert fits(text, width)
    assert len(text.splitlines()) <= 24
    for words in ("30/60 trials", "0.1 (trial", "trial 30, at step 7", "trial 31, no report yet"):
        assert words in text
    assert "matters most" in text
    assert "rate 100%" in text
    assert "━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌" in text
    assert "is the largest that is" in " ".join(text.split())


@pytest.mark.parametrize("width", WIDTHS)
def test_a_study_is_one_line_of_the_list(base: HistoryDatabase, width: int) -> None:
    for name in ("a", "b"):
        base.add_study(name, scored(12), budget={"trials": 24})
    rows = base.service.list()
    reason = "no worker is there; start some with: tuner workers up"
    rows[0] |= {"reason": reason, "state": "running"}
    text = shown(width, lambda console: console.print(study_table(rows, console)))

    assert fits(text, width)
    assert len(text.splitlines()) == 2 + len(rows)
    assert "12/24" in text
    assert "0.1 (trial" in text


def test_the_list_says_what_a_study_waits_for_and_what_failed() -> None:
    def status(state: str, reason: str = "", **counts: int) -> dict[str, Any]:
        return {"state": state, "reason": reason, "counts": {"running": 0, "fail": 0, **counts}}

    waits = "no worker is there; start some with: tuner workers up"
    assert now_text(status("running", waits)) == "no worker is there"
    assert now_text(status("running", waits, running=2)) == "2 running"
    assert now_text(status("paused", "by the user", fail=3)) == "by the user, [bad]3 failed[/]"
    assert now_text(status("finished", "budget.trials: 6 trials are done")) == ""


@pytest.mark.parametrize("width", WIDTHS)
def test_a_run_ends_with_what_the_study_taught(base: HistoryDatabase, width: int) -> None:
    name = study(base, scored(30))
    status = base.service.status(name)
    text = shown(width, lambda console: print_best(console, base.service, status))

    assert fits(text, width)
    words = " ".join(text.split())
    assert "matters most rate 100% ████████████████████" in words
    assert "1 without an effect beyond chance" in words
    assert "at an end train.rate: the best, 0.1, is the largest that is allowed" in words
    assert "a new study with a wider range may find better ones" in words


def test_with_few_trials_it_says_that_nothing_is_known_yet(base: HistoryDatabase) -> None:
    name = study(base, scored(4))
    status = base.service.status(name)
    text = shown(80, lambda console: print_best(console, base.service, status))

    assert "matters most  not known before 10 trials have a result" in text


def test_bars_are_ascii_where_the_terminal_is(base: HistoryDatabase) -> None:
    name = study(base, scored(30))
    document = base.service.importance(name)
    text = shown(80, lambda c: c.print(facts(importance_facts(c, document))), "ascii")

    assert "####################" in text
    assert importance_text(None) == ""


def test_a_server_that_does_not_know_what_matters_is_done_without(
    base: HistoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuner.errors import NotFoundError

    def unknown(_study: str) -> None:
        raise NotFoundError("Not Found")

    name = study(base, scored(30))
    monkeypatch.setattr(base.service, "importance", unknown)
    rows = base.service.best(name, 3)
    board = read_board(base.service, name, rows)

    assert board.order == ()
    assert "momentum" in shown(80, lambda console: print_board(console, board))
    assert importance_facts(Console(), None) == []


def test_the_board_of_a_study_says_that_its_pruned_trials_are_elsewhere(
    base: HistoryDatabase,
) -> None:
    params = grid(4)
    rows = [complete(params[0], 0.104)]
    rows += [complete(p, 0.5 + n / 10, state="pruned") for n, p in enumerate(params[1:])]
    name = study(base, rows)
    board = read_board(base.service, name, base.service.best(name, 10))
    text = shown(200, lambda console: print_board(console, board))

    assert "3 pruned trials are not listed: --all. A complete 0.104 (trial 0) stands above" in text
    assert "a pruned 0.7 (trial 3)" in text


@pytest.mark.parametrize("has_mark", [True, False])
def test_a_pruned_trial_says_why_or_that_it_is_not_known(
    base: HistoryDatabase, tmp_path: Path, has_mark: bool
) -> None:
    name = study(base, [complete(grid(1)[0], 0.2, state="pruned")], pruner="median")
    mark = {"pruner": "median", "step": 4, "value": 0.2, "median": 0.5, "of": 7}
    with base.storage.begin() as connection:
        row = connection.execute(sa.select(tables.studies)).one()
        attrs: dict[str, Any] = {STOPPED: mark} if has_mark else {}
        optuna_id = optuna_rows.insert_trial(
            connection, row.optuna_id, 0, params={}, system_attrs=attrs, started=0.0
        )
        connection.execute(tables.trials.update().values(optuna_id=optuna_id))
    trial = base.service.show(name, 0)
    goals = base.service.status(name)["metrics"]
    text = shown(200, lambda c: print_trial(c, name, trial, goals, log_root=tmp_path))

    known = "stopped by median at step 4: its best so far, 0.2, is worse than 0.5, the median of 7"
    assert (known in text) == has_mark
    assert ("kept no word of why" in text) == (not has_mark)
    assert (trial["stop"] is not None) == has_mark
    json.dumps(trial)


def test_a_curve_is_ascii_where_the_terminal_is(base: HistoryDatabase, tmp_path: Path) -> None:
    name = study(base, [complete(grid(1)[0], 0.2)])
    with base.storage.begin() as connection:
        row = connection.execute(sa.select(tables.studies)).one()
        for step in range(1, 9):
            report = {"study_id": row.id, "number": 0, "no": 1, "step": step, "value": float(step)}
            connection.execute(tables.reports.insert().values(**report, time=1.0))
    trial = base.service.show(name, 0)
    goals = base.service.status(name)["metrics"]

    def show(console: Console) -> None:
        console.file.reconfigure(errors="replace")  # type: ignore[attr-defined]
        print_trial(console, name, trial, goals, log_root=tmp_path)

    assert "_.-:=+*#" in shown(80, show, "ascii")
    assert "▁▂▃▄▅▆▇█" in shown(80, show)
