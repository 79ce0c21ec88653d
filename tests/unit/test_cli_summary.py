from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tuner.cli.following.gate import GateVerdict
from tuner.cli.following.summary import (
    MOST_PARAMETERS,
    MOST_ROWS,
    MOST_SIGNS,
    require_writable,
    summary,
    text,
)
from tuner.errors import SetupError

REACHED = GateVerdict(
    outcome="reached", code=0, text="reached: the best loss, 0.1 (trial 0), is at most 1"
)


def status(**changes: Any) -> dict[str, Any]:
    counts = {"waiting": 0, "running": 0, "complete": 3, "pruned": 1, "fail": 0}
    metrics = [{"name": "loss", "goal": "minimize"}]
    head = {"study": "demo/toy", "state": "finished", "reason": "", "counts": counts}
    return {**head, "metrics": metrics, **changes}


def row(number: int, **params: Any) -> dict[str, Any]:
    return {"trial": number, "objective": 0.25, "metrics": {}, "duration_s": 3.0, "params": params}


def test_a_summary_says_the_outcome_and_the_best_trials() -> None:
    page = summary(status(), REACHED, [row(7, rate=0.1, optimizer="adam"), row(2, rate=0.2)])

    assert page.startswith("### demo/toy: reached\n\nthe best loss, 0.1")
    assert "| 7 | 0.25 | 3.0 s | 0.1 | adam |\n| 2 | 0.25 | 3.0 s | 0.2 | \\- |" in page
    assert "3 complete, 1 pruned; the study is finished." in page
    assert page.endswith("\n\n"), "others append to the same file"


@pytest.mark.parametrize(
    "hostile",
    [
        "a|b",
        "a\n# title",
        "<img src=x onerror=alert(1)>",
        "[click](https://example.org)",
        "![x](https://example.org/x.png)",
        "https://example.org/",
        "`code`",
        "**bold** _x_ ~~y~~",
        "\\",
        "&lt;b&gt;",
        "\x1b[31mred\u202e",
        "x" * 100_000,
    ],
)
def test_what_users_and_trials_wrote_is_text_in_a_summary(hostile: str) -> None:
    shown = text(hostile)
    page = summary(
        status(reason=hostile), GateVerdict(outcome="failed", code=3), [row(0, name=hostile)]
    )

    assert len(page) < 10 * MOST_SIGNS
    assert "\n" not in shown
    # Every sign of Markdown is escaped, and no tag, entity or address is left.
    assert re.sub(r"\\[\\`*_{}\[\]()#+!|~>@-]|&(?:amp|lt|#58);", "", shown).isprintable()
    assert not re.search(r"(?<!\\)[`*_\[\]|~#!]|<|://", shown.replace("&#58;", "")), shown
    assert all(line.count(" | ") == 3 for line in page.splitlines() if line.startswith("| 0"))


def test_a_summary_is_bounded() -> None:
    rows = [row(n, **{f"p{at}": "y" * 5000 for at in range(500)}) for n in range(500)]
    page = summary(status(), REACHED, rows)
    table = [line for line in page.splitlines() if line.startswith("|")]

    assert len(table) == MOST_ROWS + 2
    assert all(line.count(" | ") == MOST_PARAMETERS + 2 for line in table)
    assert len(page) < 100_000


def test_a_summary_that_cannot_be_written_is_said_before_and_nothing_is_made(
    tmp_path: Path,
) -> None:
    require_writable(tmp_path / "page.md")
    assert not (tmp_path / "page.md").exists(), "it would be packed with the code"
    for wrong in (tmp_path, tmp_path / "no" / "page.md"):
        with pytest.raises(SetupError, match="--summary"):
            require_writable(wrong)
