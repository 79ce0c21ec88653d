"""Which sources are usable: large enough, with differences, and not copies."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.surrogate.history.ranking import Scored, score
from tuner.surrogate.history.source import Source

#: Minimum number of distinct points of a source.
LEAST = 5
#: Minimum share of a source's rows that another source must have for it to count as a copy.
_COPIED = 0.5
#: Minimum share of the target's parameters that a source must know.
_KNOWN = 0.5
#: Positions that agree to this number of decimals are equal.
_DECIMALS = 5


#: Cached results for single sources, by a key derived from their content.
Cache = MutableMapping[str, Any]


@dataclass(frozen=True, eq=False)
class Screened:
    """The `kept` sources with their scores, and the reasons for the `dropped` ones.

    The order of both depends only on content and names.
    """

    kept: tuple[Source, ...]
    scored: tuple[Scored, ...]
    dropped: tuple[tuple[Source, str], ...]


def screen(sources: Sequence[Source], cache: Cache) -> Screened:
    """Return the usable sources; of several copies, the largest one is kept."""
    kept: list[Source] = []
    scored: list[Scored] = []
    dropped: list[tuple[Source, str]] = []
    seen: dict[bytes, str] = {}
    for source in sorted(sources, key=lambda s: (-len(s), s.content, s.name)):
        found, rows = _read(source, cache)
        reason = _useless(found) or _narrow(found) or _copy(rows, seen)
        if reason:
            dropped.append((source, reason))
            continue
        kept.append(source)
        scored.append(found)
        seen.update(dict.fromkeys(rows, source.name))
    order = sorted(range(len(kept)), key=lambda i: (kept[i].content, kept[i].name))
    return Screened(
        kept=tuple(kept[i] for i in order),
        scored=tuple(scored[i] for i in order),
        dropped=tuple(sorted(dropped, key=lambda item: (item[0].name, item[0].content))),
    )


def _read(source: Source, cache: Cache) -> tuple[Scored, list[bytes]]:
    """Return the scores of a source and the keys of its rows."""
    # The rows that scores quote depend on how the source lists them.
    key = f"scored-{source.listing}"
    if key not in cache:
        cache[key] = score(source), _rows(source)
    found: tuple[Scored, list[bytes]] = cache[key]
    return found


def _useless(scored: Scored) -> str:
    if len(scored.z) < LEAST:
        return f"{len(scored.z)} different configurations with an outcome; at least {LEAST} needed"
    return "" if np.ptp(scored.z) > 0 else "all outcomes are equal"


def _narrow(scored: Scored) -> str:
    known, width = int((~np.isnan(scored.x)).any(axis=0).sum()), scored.x.shape[1]
    if known >= _KNOWN * width:
        return ""
    return f"knows {known} of {width} parameters; at least half are needed"


def _copy(rows: Sequence[bytes], seen: dict[bytes, str]) -> str:
    """Return the name of the source that the rows are a copy of; empty if they are not."""
    known = [seen[row] for row in rows if row in seen]
    if len(known) < _COPIED * len(rows):
        return ""
    return f"a copy of {max(sorted(set(known)), key=known.count)}"


def _rows(source: Source) -> list[bytes]:
    """Return points and values together, as keys; those without a value are left out."""
    table = source.table[~np.isnan(source.y)]
    table[:, :-2] = np.round(table[:, :-2], _DECIMALS)
    # A copy that was stored with 32 bits somewhere still counts as a copy.
    rows = np.ascontiguousarray(table.astype(np.float32) + np.float32(0.0))
    return rows.view(f"V{rows.shape[1] * rows.itemsize}").reshape(-1).tolist()
