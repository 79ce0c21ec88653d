"""The page docs/mutants.md: every mutant, and the test that notices it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.mutants.mutant import ROOT, Mutant

PAGE = ROOT / "docs" / "mutants.md"
#: Where a mutant was not run yet; the page must not stay so.
NOT_RUN = "not run"

_HEAD = """\
# Mutants

Each line is a promise, and an edit of one file that breaks it (`tests/mutants/promises/`). `make
mutants` applies the edits one by one to a copy of the tree, and runs a few tests of the default run
on it: the one in the last column fails. A mutant that survives shows a weak test: mend the test.

```text
make mutants                                              # all, several minutes
make mutants MUTANTS_ARGS="--only token-outlives-its-time"
make mutants MUTANTS_ARGS=--write                         # and bring this page up to date
```

CI does not run them; `make check` sees that each edit still applies and that this page names all.

| mutant | promise | file | noticed by |
|---|---|---|---|
"""
_ROW = re.compile(r"\| `([^`]+)` \| .* \| `[^`]+` \| (.+) \|")


def page_of(mutants: Sequence[Mutant], noticed: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        mutants: all of them.
        noticed: the last column, by the names of mutants.
    """
    rows = (
        f"| `{m.name}` | {m.promise} | `{m.file}` | {noticed.get(m.name, NOT_RUN)} |\n"
        for m in mutants
    )
    return _HEAD + "".join(rows)


def noticed_in(page: Path = PAGE) -> dict[str, str]:
    """Return the last column of a page, by the names of mutants."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    matches = map(_ROW.fullmatch, text.splitlines())
    return {match[1]: match[2] for match in matches if match is not None}


def noticed_by(killer: str) -> str:
    """Return a cell of the last column for the id of a test."""
    file, _, test = killer.partition("::")
    name = test.partition("[")[0].rpartition("::")[2]
    return f"`{Path(file).name}::{name}`" if name else f"`{Path(file).name}`"
