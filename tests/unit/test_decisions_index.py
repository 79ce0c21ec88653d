"""The index of docs/decisions.md leads to every decision, once."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "decisions.md").read_text()
INDEX, _, DECISIONS = TEXT.partition("\n## ")


def test_every_decision_stands_in_the_index_exactly_once() -> None:
    titles = re.findall(r"^## (.+)$", f"## {DECISIONS}", re.MULTILINE)
    listed = Counter(re.findall(r"\[([^\]]+)\]\(#", INDEX))

    assert len(titles) > 90
    assert listed == Counter(titles)


def test_every_line_of_the_index_leads_to_the_decision_that_it_names() -> None:
    for title, anchor in re.findall(r"\[([^\]]+)\]\(#([^)]+)\)", INDEX):
        plain = re.sub(r"[^\w\- ]", "", title.lower().replace("`", ""))
        assert anchor == plain.replace(" ", "-"), title
