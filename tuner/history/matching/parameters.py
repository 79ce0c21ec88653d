"""The parameters of an earlier study's trials as the columns of this study, with notes on each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.history.matching.activity import apply_conditions, infer_parents
from tuner.history.matching.naming import Match, Matches, Renames, match_names
from tuner.history.matching.placing import Flags, PlacedColumn, place
from tuner.history.matching.values import match_choice
from tuner.history.store.records import HistoricStudy, HistoricTrial
from tuner.space import Parameter, SearchSpace
from tuner.space.axis import Axis
from tuner.space.encoding import Encoding
from tuner.space.scale import WORDS
from tuner.space.value import Value, show
from tuner.surrogate.columns import Floats

#: Minimum share of trials that must have a parameter for it to be known in a study.
_SHARE = 0.1
#: Minimum share of fitting values for a guessed name; with fewer the guess was wrong.
_GUESS_SHARE = 0.5

_HOW = {
    "declared": "declared",
    "spelling": "spelled otherwise",
    "scope": "a guess by its last word",
    "abbreviation": "a guess by its abbreviation",
    "meaning": "a guess by its words",
}


@dataclass(frozen=True, kw_only=True)
class PlacedTable:
    """The trials of a study in this study's columns.

    Attributes:
        x: (n, d) positions; NaN: inactive here or unknown.
        covered: (n, d) whether an entry is complete: it has a value, or needs none.
        known: (d,) whether the study knows the parameter.
        notes: by parameter of this study, what was done; unchanged ones are omitted.
    """

    x: Floats
    covered: Flags
    known: Flags
    notes: Mapping[str, str]


def tabulate(
    study: HistoricStudy, trials: Sequence[HistoricTrial], encoding: Encoding, renames: Renames
) -> PlacedTable:
    """Return the parameters of some of a study's trials as this study's columns."""
    n = len(trials)
    matches = match_names(_recorded(study, trials), encoding.space.names, renames)
    notes: dict[str, list[str]] = {name: [] for name in encoding.space.names}
    placed: dict[str, PlacedColumn] = {}
    for name, axis in zip(encoding.names, encoding.axes, strict=True):
        match = matches.found.get(name)
        column = PlacedColumn.nowhere(n)
        if match is not None:
            values = _values(study, trials, match.source)
            column = place(axis, values)
            if match.is_guess and _fits(axis, column, match) < _GUESS_SHARE:
                notes[name].append(f"{match.source} there has other values: not taken")
                column = PlacedColumn.nowhere(n)
            else:
                notes[name] += _column_notes(match, column, values)
                notes[name] += _scale_notes(axis.parameter, study.space, match.source)
        placed[name] = column
    inferred = infer_parents(encoding, placed)
    for name, text in inferred.items():
        notes[name].append(text)
    _note_missing(placed, matches, notes)
    idle, stripped = apply_conditions(encoding, placed, n)
    for name, count in stripped.items():
        notes[name].append(f"{count} values dropped where it is not active here")
    _note_fixed(study, trials, encoding.space, matches, notes)
    told = {name: "; ".join(texts) for name, texts in notes.items() if texts}
    excused = inferred.keys() | _conditional(study.space, matches)
    notes_of_all = told | _note_extra(study, trials, matches)
    return _assemble(encoding, placed, idle, excused, notes_of_all)


def _fits(axis: Axis, column: PlacedColumn, match: Match) -> float:
    """Return the share of the recorded values that can be placed; 0 if none is recorded.

    For the least certain guesses they must be within the range here.
    """
    given = int((column.known | column.foreign).sum())
    fitting = column.known
    if match.how == "meaning" and axis.kind != "choice":
        with np.errstate(invalid="ignore"):
            fitting = column.known & (column.x >= 0) & (column.x <= 1)
    return float(fitting.sum()) / given if given else 0.0


def _recorded(study: HistoricStudy, trials: Sequence[HistoricTrial]) -> set[str]:
    names: set[str] = set(study.constants)
    return names.union(*(trial.params for trial in trials))


def _values(study: HistoricStudy, trials: Sequence[HistoricTrial], name: str) -> list[Value | None]:
    constant = study.constants.get(name)
    return [trial.params.get(name, constant) for trial in trials]


def _column_notes(match: Match, column: PlacedColumn, values: Sequence[Value | None]) -> list[str]:
    notes = [] if match.how == "same" else [f"{match.source} there ({_HOW[match.how]})"]
    first = values[0] if values else None
    if len(values) > 1 and all(value == first for value in values) and column.known.any():
        notes.append(f"always {show(first)} there")
    return [*notes, *column.notes]


def _scale_notes(here: Parameter, space: SearchSpace | None, name: str) -> list[str]:
    """Return how the declared scales differ; without a space there, only values count."""
    if space is None or name not in space:
        return []
    there = space[name]
    notes = []
    if there.kind not in (here.kind, "fixed"):
        notes.append(f"{there.kind} there")
    if {here.kind, there.kind} <= {"int", "float"}:
        if here.log != there.log:
            notes.append(f"{WORDS[there.log]} there")
        if here.bounds != there.bounds:
            low, high = there.bounds
            notes.append(f"from {show(low)} to {show(high)} there")
    elif here.values and there.values:
        new = [value for value in here.values if match_choice(value, there.values) is None]
        notes += [f"new here: {', '.join(map(show, new))}"] if new else []
    if bool(here.when) != bool(there.when):
        notes.append("conditional there" if there.when else "always active there")
    return notes


def _conditional(space: SearchSpace | None, matches: Matches) -> set[str]:
    """Return the parameters that were declared there as conditional."""
    if space is None:
        return set()
    pairs = ((name, match.source) for name, match in matches.found.items())
    return {name for name, source in pairs if source in space and space[source].when}


def _note_missing(
    placed: Mapping[str, PlacedColumn], matches: Matches, notes: dict[str, list[str]]
) -> None:
    for name, column in placed.items():
        if not column.known.any() and not column.foreign.any() and not notes[name]:
            hint = matches.hints.get(name)
            notes[name].append("not known there" + (f"; {hint}" if hint else ""))


def _note_fixed(
    study: HistoricStudy,
    trials: Sequence[HistoricTrial],
    space: SearchSpace,
    matches: Matches,
    notes: dict[str, list[str]],
) -> None:
    """Note trials whose value differs from the fixed one here; they count as well."""
    for parameter in space.parameters:
        match = matches.found.get(parameter.name)
        if parameter.kind != "fixed" or match is None:
            continue
        wanted = (parameter.at(0),)
        values = [v for v in _values(study, trials, match.source) if v is not None]
        # Python considers 1, 1.0 and True the same key.
        counts = Counter((type(value), value) for value in values)
        others = sum(n for (_, v), n in counts.items() if match_choice(v, wanted) is None)
        if others:
            told = "" if match.how == "same" else f"{match.source} there ({_HOW[match.how]}); "
            text = f"{others} of {len(values)} trials had another value"
            notes[parameter.name].append(f"{told}fixed at {show(wanted[0])} here; {text}")


def _note_extra(
    study: HistoricStudy, trials: Sequence[HistoricTrial], matches: Matches
) -> dict[str, str]:
    """Return notes on what varies there and is not a parameter here."""
    varying: list[str] = []
    for name in matches.extra:
        values = _values(study, trials, name)
        if any(value != values[0] for value in values):
            varying.append(name)
    return dict.fromkeys(varying, "varies there, is nothing here: ignored")


def _assemble(
    encoding: Encoding,
    placed: Mapping[str, PlacedColumn],
    idle: Mapping[str, Flags],
    excused: Collection[str],
    notes: Mapping[str, str],
) -> PlacedTable:
    columns = [placed[name] for name in encoding.names]
    out = np.stack([idle[name] for name in encoding.names], axis=1)
    known = np.stack([column.known for column in columns], axis=1)
    foreign = np.stack([column.foreign for column in columns], axis=1)
    active = np.maximum((~out).sum(axis=0), 1)
    x = np.where(out, np.nan, np.stack([column.x for column in columns], axis=1))
    enough = (known & ~out).sum(axis=0) >= _SHARE * active
    absent = np.array([name in excused for name in encoding.names], dtype=bool)
    covered = known | foreign | out | absent
    return PlacedTable(x=x, covered=covered, known=enough & known.any(axis=0), notes=notes)
