"""The best trials of a study as Markdown, for TensorBoard's text tab."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

import sqlalchemy as sa

from tuner.service.answers.ranking import front
from tuner.service.answers.wording import value_text
from tuner.space.short_names import short_names
from tuner.spec import StudySpec
from tuner.trials.store.listings.ranking import ranked

#: Maximum number of rows and of parameters in the table, and maximum characters of a value.
_ROWS, _PARAMETERS, _CHARACTERS = 10, 5, 40
_PLAIN = re.compile(r"[A-Za-z0-9 .,+-]")


def leaderboard_markdown(
    connection: sa.Connection, study_id: int, spec: StudySpec, order: Sequence[str]
) -> str:
    """Return the best trials as a table with links to them; empty while there are none.

    Args:
        order: names of its parameters, most important first.
    """
    goals = [metric.goal for metric in spec.metrics]
    is_one = len(goals) == 1
    found = (
        ranked(connection, study_id, goals[0], _ROWS)
        if is_one
        else front(connection, study_id, goals)[:_ROWS]
    )
    if not found:
        return ""
    names = list(order)[:_PARAMETERS]
    shown = short_names(spec.space.names)
    titles = [*(metric.name for metric in spec.metrics), *(shown[name] for name in names)]
    head = ["" if is_one else "front", "trial", *titles]
    lines = [_line([_text(cell) for cell in head]), _line(["---"] * len(head))]
    for rank, row in enumerate(found, 1):
        values = [row.objective] if is_one else row.values
        params = row.params
        cells = [_text(value_text(value)) for value in values]
        cells += [_text(value_text(params[n])) if n in params else "" for n in names]
        lines.append(_line([str(rank) if is_one else "", _link(spec.name, row.number), *cells]))
    every = f"#best_trials&bt.study={quote(spec.name, safe='')}"
    return "\n".join([f"**[All trials, best first]({every})**", "", *lines])


def _link(study: str, trial: int) -> str:
    where = f"#best_trials&bt.study={quote(study, safe='')}&bt.trials={trial}"
    return f"[{trial}]({where})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    """Return a text as literal Markdown: nothing in it is a link or a tag."""
    cut = text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 1]}…"
    return "".join(c if _PLAIN.fullmatch(c) else f"&#{ord(c)};" for c in cut)
