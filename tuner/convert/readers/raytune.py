"""The space of a Ray Tune search, as JSON.

Ray has no file format for it. Each object is read as its fields with the name of its class:

    import json
    write = lambda o: {"type": type(o).__name__, **vars(o)}
    json.dump(search_space, open("space.json", "w"), default=write)

so that `tune.loguniform(1e-5, 0.1)` is `{"type": "Float", "lower": 1e-05, "upper": 0.1,
"sampler": {"type": "_LogUniform"}}`.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from tuner.convert.draft import SpecDraft
from tuner.convert.fields import Fields
from tuner.convert.names import slug
from tuner.convert.ranges import Read, bell, choices, constant, interval
from tuner.convert.readers.samplers import grid
from tuner.convert.search_file import SearchFile
from tuner.space.value import is_number, is_whole, show

TOOL = "a Ray Tune space"
_DOMAINS = frozenset({"Float", "Integer", "Categorical", "Function"})
_MAX_DEPTH = 15


def read(file: SearchFile) -> SpecDraft | None:
    """Return the draft of a space; None if the file belongs to another tool.

    Raises:
        SpecError: something in it is invalid.
    """
    if not _is_space(file.data):
        return None
    draft = file.draft(TOOL)
    draft.values["project"] = "imported"
    draft.values["study"] = slug(draft.stem, "ray-tune")
    draft.stand_in()
    draft.measure(None, None)
    grids: list[str] = []
    _read_level(file.fields(), "", 0, draft, grids)
    if grids and len(grids) == sum(d["type"] != "fixed" for d in draft.space.values()):
        grid(draft)
    else:
        draft.values["sampler"] = {"name": "bayesian"}
        for name in grids:
            draft.lose(f"search_space.{name}", "grid_search, every value of which is tried")
    if "budget" not in draft.values:
        draft.cap(None)
    draft.tell("", "metric, mode, num_samples, search_alg and scheduler are no part of a space")
    return draft


def _is_space(data: dict[str, Any], depth: int = 0) -> bool:
    """Whether a document contains one of Ray's domains, or a grid search, at any depth."""
    if depth > _MAX_DEPTH:
        return False
    return any(
        isinstance(value, dict)
        and (_is_domain(value) or "grid_search" in value or _is_space(value, depth + 1))
        for value in data.values()
    )


def _is_domain(value: dict[str, Any]) -> bool:
    kind = value.get("type")
    is_domain = isinstance(kind, str) and kind in _DOMAINS
    return is_domain and bool({"sampler", "categories", "func"} & value.keys())


def _read_level(level: Fields, prefix: str, depth: int, draft: SpecDraft, grids: list[str]) -> None:
    for name, value in level.everything():
        full = f"{prefix}{name}"
        fields = level.fields(name) if isinstance(value, dict) else None
        if fields is not None and not _is_domain(value) and "grid_search" not in value:
            if depth >= _MAX_DEPTH:
                raise level.wrong(name, f"at most {_MAX_DEPTH} levels")
            _read_level(fields, f"{full}.", depth + 1, draft, grids)
            continue
        read = constant(value) if fields is None else _read(fields)
        if read is None:
            what = "a function" if fields is not None else f"the constant {show(value)}"
            draft.lose("search_space", f"{full}: {what}, which is left out")
            continue
        ours = draft.take(full, read)
        if fields is not None and "grid_search" in fields:
            grids.append(ours)


def _read(fields: Fields) -> Read | None:
    values = fields.list("grid_search")
    kind = fields.take("type")
    if values is None and kind == "Categorical":
        values = fields.list("categories")
    if values is not None or kind == "Categorical":
        if not values:
            raise fields.wrong("categories", "a list of at least one value")
        return choices(values)
    if kind == "Function":
        return None
    return _read_range(fields, whole=kind == "Integer")


def _read_range(fields: Fields, *, whole: bool) -> Read:
    sampler = fields.fields("sampler")
    name = "" if sampler is None else str(sampler.take("type"))
    q: int | float | None = None
    if sampler is not None and name == "Quantized":
        q = sampler.needed("q")
        if q <= 0:
            raise sampler.wrong("q", "a number above 0")
        sampler = sampler.fields("sampler")
        name = "" if sampler is None else str(sampler.take("type"))
    plain = name.lstrip("_")
    if plain == "Normal" and sampler is not None:
        sigma = sampler.needed("sd")
        if sigma < 0:
            raise sampler.wrong("sd", "a number from 0")
        return bell(sampler.needed("mean"), sigma, log=False, q=q)
    low, high = fields.take("lower"), fields.take("upper")
    if not is_number(low) or not is_number(high) or low > high:
        raise fields.wrong("lower", "a finite number of at most upper")
    log = plain == "LogUniform"
    if log and low <= 0:
        raise fields.wrong("lower", "a number above 0, because the scale is logarithmic")
    lost = () if plain in ("Uniform", "LogUniform") else (f"the sampler {name}: uniform here",)
    read = _between(fields, low, high, whole=whole, log=log, q=q)
    return Read(definition=read.definition, lost=(*lost, *read.lost), told=read.told)


def _between(
    fields: Fields, low: float, high: float, *, whole: bool, log: bool, q: float | None
) -> Read:
    if whole:
        if not (is_whole(low) and is_whole(high)):
            raise fields.wrong("lower", "whole numbers from lower to upper")
        if q is None or q == 1:
            # As in range(), the upper end is not included.
            return Read(definition=interval(low, max(high - 1, low), whole=True, log=log))
    elif q is None:
        return Read(definition=interval(low, high, whole=False, log=log))
    # The multiples of q between the ends.
    step = Decimal(str(q))
    first = (Decimal(str(low)) / step).to_integral_value(ROUND_CEILING) * step
    last = (Decimal(str(high)) / step).to_integral_value(ROUND_FLOOR) * step
    if first > last:
        raise fields.wrong("lower", f"a range that holds a multiple of q ({show(q)})")
    found = interval(float(first), float(last), whole=whole and is_whole(q), step=q)
    if not log:
        return Read(definition=found)
    lost = f"a log scale together with a step of {show(q)}; without the step, log: true may stand"
    return Read(definition=found, lost=(lost,) if found["type"] != "fixed" else ())
