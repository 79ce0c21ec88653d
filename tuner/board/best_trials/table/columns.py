"""The columns of a table: from the declarations of parameters, and from the trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuner.board.best_trials.table.model import FACTS, METRIC, PARAM, Column, Row, Type
from tuner.board.best_trials.table.values import finite, short

if TYPE_CHECKING:
    from tuner.documents.study_folder.found import SummaryParameterKey

#: Maximum number of columns in a table; the others are left out with a note.
MOST = 2_000
_MOST_VALUES = 200


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A study's declaration of a parameter."""

    type: Type | None = None
    low: float | None = None
    high: float | None = None
    log: bool = False
    values: tuple[Any, ...] = ()
    is_conditional: bool = False
    is_constant: bool = False


def describe(found: object, distributions: Mapping[str, Any]) -> dict[str, Declared]:
    """Return the declaration of each parameter.

    Args:
        found: `parameters` in `study.json`.
        distributions: from `config.json`, for a study of a release that wrote no `study.json`.
    """
    declared = {name: _of_distribution(one) for name, one in distributions.items()}
    for one in found if isinstance(found, list) else ():
        if isinstance(one, Mapping) and isinstance(one.get("name"), str):
            declared[one["name"]] = _of_parameter(one)
    return declared


def seen(
    rows: Sequence[Row], declared: Mapping[str, Declared], shares: Mapping[str, float | None]
) -> list[Column]:
    """Return the columns: facts, parameters (most important first), metrics.

    Args:
        declared: see `describe`.
        shares: parameters in order, with the share of each if it is known.
    """
    params: dict[str, list[Any]] = {name: [] for name in (*shares, *declared)}
    metrics: dict[str, None] = {}
    for row in rows:
        for name, value in row.params.items():
            params.setdefault(name, []).append(value)
        metrics |= dict.fromkeys(row.metrics)
    columns = [
        Column(key=key, label=label, group="fact", type=kind)
        for key, (label, kind) in FACTS.items()
    ]
    known = len(rows)
    columns += [
        _param(name, values, declared.get(name, Declared()), shares.get(name), known)
        for name, values in list(params.items())[:MOST]
    ]
    columns += [
        Column(key=METRIC + name, label=name, group="metric", type="float")
        for name in list(metrics)[:MOST]
    ]
    return columns


def say_left_out(names: int) -> list[str]:
    """Return a sentence if a study has more parameters than are shown."""
    return [f"Of {names} parameters {MOST} are shown."] if names > MOST else []


def _param(
    name: str, values: Sequence[Any], declared: Declared, share: float | None, rows: int
) -> Column:
    first = values[0] if values else None
    alike = all(type(value) is type(first) and value == first for value in values)
    return Column(
        key=PARAM + name,
        label=name,
        group="param",
        type=declared.type or type_of(values),
        low=declared.low,
        high=declared.high,
        log=declared.log,
        values=declared.values,
        conditional=declared.is_conditional or 0 < len(values) < rows,
        constant=declared.is_constant or (rows > 1 and len(values) == rows and alike),
        share=share,
    )


def type_of(values: Iterable[Any]) -> Type:
    """Return the narrowest type for all values."""
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return "bool"
    if kinds == {int}:
        return "int"
    if kinds and kinds <= {int, float}:
        return "float"
    return "text"


def _of_parameter(one: Mapping[SummaryParameterKey, Any]) -> Declared:
    kinds: Mapping[Any, Type] = {"int": "int", "float": "float", "bool": "bool"}
    kind = one.get("type")
    return Declared(
        type=kinds.get(kind) if isinstance(kind, str) else None,
        low=finite(one.get("low")),
        high=finite(one.get("high")),
        log=one.get("log") is True,
        values=_choices(one.get("values")),
        is_conditional=bool(one.get("when")),
        is_constant=kind == "fixed",
    )


def _of_distribution(one: object) -> Declared:
    """Return the declaration in one of Optuna's distributions, as JSON."""
    attributes = one.get("attributes") if isinstance(one, Mapping) else None
    if not isinstance(one, Mapping) or not isinstance(attributes, Mapping):
        return Declared()
    kinds: Mapping[Any, Type] = {"IntDistribution": "int", "FloatDistribution": "float"}
    name = one.get("name")
    return Declared(
        type=kinds.get(name) if isinstance(name, str) else None,
        low=finite(attributes.get("low")),
        high=finite(attributes.get("high")),
        log=attributes.get("log") is True,
        values=_choices(attributes.get("choices")),
    )


def _choices(found: object) -> tuple[Any, ...]:
    """Return choices from a file: texts of bounded length, numbers, booleans, null."""
    if not isinstance(found, list):
        return ()
    kept = (short(one) if isinstance(one, str) else one for one in found[:_MOST_VALUES])
    return tuple(one for one in kept if one is None or isinstance(one, str | bool | int | float))
