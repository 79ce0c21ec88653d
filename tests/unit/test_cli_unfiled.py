"""What a page says of files that are missing: what, why, since when, and what to do."""

from __future__ import annotations

from typing import Any

from tuner.cli.render import output
from tuner.cli.render.tables import facts
from tuner.cli.render.unfiled import unfiled_facts

FAULT: dict[str, Any] = {
    "kind": "run",
    "trial": 3,
    "reason": "demo/a/trial_00003-x/trial.json: is a folder, and must be a file",
    "waiting": False,
    "tries": 2,
    "since": "2026-11-28T12:00:00Z",
    "next_try": "2026-11-28T12:00:30Z",
}


def _page(documents: list[dict[str, Any]], total: int) -> str:
    console = output._Console(width=120, no_color=True, theme=output._THEME, highlight=False)
    with console.capture() as captured:
        console.print(facts(unfiled_facts(documents, total)))
    return captured.get()


def test_a_fault_is_named_with_its_reason_and_what_to_do() -> None:
    page = _page([FAULT], 1)

    assert "files" in page
    assert "the files of trial 3 cannot be written since 2026-11-28" in page
    assert FAULT["reason"] in page
    assert "remove or rename what stands there; next try after 2026-11-28" in page


def test_checkpoints_and_the_studys_own_run_have_their_names() -> None:
    kinds = ("checkpoints", "study")
    page = _page([{**FAULT, "kind": kind, "trial": None} for kind in kinds], 7)

    assert "checkpoints that trial.keep removes cannot be removed" in page
    assert "the study's own run for TensorBoard cannot be written" in page
    assert "and 5 more" in page


def test_a_file_system_that_does_not_answer_is_nobodys_fault() -> None:
    page = _page([{**FAULT, "kind": "root", "trial": None, "waiting": True}], 1)

    assert "no answer from the file system since 2026-11-28" in page
    assert "look at the mount" in page
    assert "remove or rename" not in page


def test_a_reason_steers_no_terminal_and_is_no_markup() -> None:
    page = _page([{**FAULT, "reason": "[bad]x[/] \x1b]0;title\x07"}], 1)

    assert "[bad]x[/]" in page
    assert "\x1b" not in page


def test_where_nothing_is_missing_there_is_no_line() -> None:
    assert unfiled_facts([], 0) == []
