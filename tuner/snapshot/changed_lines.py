"""Which lines of a module have changed in meaning, ignoring comments and formatting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from tuner.snapshot.syntax import Statement, list_statements, parse_live, read_text

#: Product of the numbers of statements above which comparing lines would take seconds.
_MAX_WORK = 4_000_000
_MAX_RANGES = 4


def describe_lines(old: bytes, new: bytes, *, as_script: bool = False) -> str:
    """Return what changed between two sources, as `lines 12-14 changed (3 lines)`.

    Numbers refer to the new source. If this Python cannot parse a source, the text is `changed`.
    """
    before = parse_live(old, as_script=as_script)
    after = parse_live(new, as_script=as_script)
    if before is None or after is None:
        return "changed"
    try:
        old_ones, new_ones = _differing(list_statements(before), list_statements(after))
    except RecursionError:
        return "changed"
    if len(old_ones) * len(new_ones) > _MAX_WORK:
        return "changed"
    changed, removed = _compare(
        old_ones, new_ones, read_text(old).splitlines(), read_text(new).splitlines()
    )
    parts = []
    if changed:
        parts.append(f"{_name(sorted(changed))} changed ({_count(len(changed))})")
    if removed:
        parts.append(f"{_count(removed)} removed")
    return ", ".join(parts) or "changed"


def _differing(
    old: list[Statement], new: list[Statement]
) -> tuple[list[Statement], list[Statement]]:
    """Return both lists without their common beginning and end."""
    start = 0
    while start < min(len(old), len(new)) and old[start].key == new[start].key:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end].key == new[-1 - end].key:
        end += 1
    return old[start : len(old) - end], new[start : len(new) - end]


def _compare(
    old: list[Statement], new: list[Statement], old_lines: list[str], new_lines: list[str]
) -> tuple[set[int], int]:
    """Return the changed lines of the new source, and how many of the old one have no successor."""
    changed: set[int] = set()
    removed = 0
    matcher = SequenceMatcher(None, [s.key for s in old], [s.key for s in new], autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind == "equal":
            continue
        before = [old_lines[n - 1] for n in _lines_of(old[i1:i2])]
        numbers = _lines_of(new[j1:j2])
        if kind == "delete":
            removed += len(before)
            continue
        after = [new_lines[n - 1] for n in numbers]
        fresh = [numbers[index] for index in _fresh(before, after)]
        if not fresh and len(before) > len(after):
            removed += len(before) - len(after)
        else:
            changed |= set(fresh or numbers)
    return changed, removed


def _lines_of(statements: Sequence[Statement]) -> list[int]:
    return sorted({n for s in statements if s.first for n in range(s.first, s.last + 1)})


def _fresh(before: list[str], after: list[str]) -> Iterator[int]:
    """Yield the indices of new lines: of a long statement, only a few change."""
    matcher = SequenceMatcher(
        None, [line.strip() for line in before], [line.strip() for line in after], autojunk=False
    )
    for kind, _, _, j1, j2 in matcher.get_opcodes():
        if kind != "equal":
            yield from (index for index in range(j1, j2) if _says_something(after[index]))


def _says_something(line: str) -> bool:
    text = line.strip()
    return bool(text) and not text.startswith("#")


def _name(numbers: list[int]) -> str:
    """Return line numbers as `line 3` or `lines 3, 12-14 and 30`."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    texts = [str(a) if a == b else f"{a}-{b}" for a, b in ranges]
    if len(texts) > _MAX_RANGES:
        texts = [*texts[: _MAX_RANGES - 1], f"{len(texts) - _MAX_RANGES + 1} more places"]
    head = "line" if len(numbers) == 1 else "lines"
    return f"{head} {texts[0] if len(texts) == 1 else ', '.join(texts[:-1]) + ' and ' + texts[-1]}"


def _count(lines: int) -> str:
    return f"{lines} line{'' if lines == 1 else 's'}"
