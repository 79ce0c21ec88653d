"""The parameters of a W&B sweep, as in its schema (wandb/sweeps, config/schema.json)."""

from __future__ import annotations

from collections.abc import Callable

from tuner.convert.draft import SpecDraft
from tuner.convert.fields import Fields
from tuner.convert.ranges import (
    MAX_EXPONENT,
    Read,
    bell,
    choices,
    constant,
    exponential,
    interval,
    rounded,
)
from tuner.space.value import is_whole, show

#: Maximum depth of nesting, deeper than any real sweep.
_MAX_DEPTH = 10
#: Booleans in YAML 1.1, which W&B reads.
_WORDS_OF_TRUTH = frozenset({"yes", "no", "on", "off"})


def read_parameters(parameters: Fields, draft: SpecDraft, prefix: str = "", depth: int = 0) -> None:
    """Add the parameters of a mapping, nested ones under dotted names.

    Raises:
        SpecError: a parameter is invalid.
    """
    for name, fields in parameters.items():
        full = f"{prefix}{name}"
        inner = fields.fields("parameters")
        if inner is not None:
            if depth >= _MAX_DEPTH:
                raise fields.wrong("parameters", f"at most {_MAX_DEPTH} levels")
            read_parameters(inner, draft, f"{full}.", depth + 1)
            continue
        read = _read(fields)
        if read is None:
            shown = show(fields.take("value"))
            draft.lose("search_space", f"the constant {full}: {shown}, which is left out")
            continue
        draft.take(full, read, fields)


def _read(fields: Fields) -> Read | None:
    kind = fields.text("distribution") or _implied(fields)
    if kind == "constant":
        return constant(fields.take("value"))
    reader = _READERS.get(kind)
    if reader is None:
        raise fields.wrong("distribution", f"one of constant, {', '.join(_READERS)}")
    return reader(fields, kind)


def _implied(fields: Fields) -> str:
    """Return the distribution of a parameter that names none."""
    if "values" in fields:
        return "categorical_w_probabilities" if "probabilities" in fields else "categorical"
    if "min" in fields or "max" in fields:
        low, high = _ends(fields)
        return "int_uniform" if isinstance(low, int) and isinstance(high, int) else "uniform"
    return "constant"


def _ends(fields: Fields) -> tuple[int | float, int | float]:
    low, high = fields.needed("min"), fields.needed("max")
    if low > high:
        raise fields.wrong("min", f"a number of at most max ({show(high)})")
    return low, high


def _quantum(fields: Fields) -> int | float:
    q = fields.number("q")
    if q is not None and q <= 0:
        raise fields.wrong("q", "a number above 0")
    return 1 if q is None else q


def _uniform(fields: Fields, kind: str) -> Read:
    low, high = _ends(fields)
    if kind == "q_uniform":
        return rounded(low, high, _quantum(fields))
    whole = kind == "int_uniform"
    if whole and not (is_whole(low) and is_whole(high)):
        raise fields.wrong("min", "whole numbers from min to max")
    return Read(definition=interval(low, high, whole=whole))


def _categorical(fields: Fields, kind: str) -> Read:
    values = fields.list("values")
    if not values:
        raise fields.wrong("values", "a list of at least one value")
    read = choices(values)
    words = [v for v in values if isinstance(v, str) and v.lower() in _WORDS_OF_TRUTH]
    if words:
        told = f"{', '.join(words)}: W&B takes the word for true or false unless it is quoted"
        read = Read(definition=read.definition, lost=read.lost, told=(*read.told, told))
    given = fields.list("probabilities") if kind.endswith("probabilities") else None
    if given is None or len(set(map(str, given))) <= 1:
        return read
    lost = f"probabilities: {show(given)}; all choices are alike at first"
    return Read(definition=read.definition, lost=(*read.lost, lost), told=read.told)


def _log(fields: Fields, kind: str) -> Read:
    """Return a range whose ends are given as exponents of e."""
    low, high = _ends(fields)
    for key, value in (("min", low), ("max", high)):
        if abs(value) > MAX_EXPONENT:
            allowed = f"an exponent of e, at most {MAX_EXPONENT:g} in size"
            raise fields.wrong(key, f"{allowed}; ends themselves need {kind}_values")
    first, last = (-high, -low) if kind == "inv_log_uniform" else (low, high)
    read = _logarithmic(fields, exponential(first), exponential(last), kind)
    told = f"from e^{show(first)} to e^{show(last)}"
    return Read(definition=read.definition, lost=read.lost, told=(told, *read.told))


def _log_values(fields: Fields, kind: str) -> Read:
    low, high = _ends(fields)
    if low <= 0:
        raise fields.wrong("min", "a number above 0, because the scale is logarithmic")
    return _logarithmic(fields, low, high, kind)


def _logarithmic(fields: Fields, low: float, high: float, kind: str) -> Read:
    # If log(1/x) is uniform between two ends, so is log(x): the inverse makes no difference.
    if kind.startswith("q_"):
        return rounded(low, high, _quantum(fields), log=True)
    return Read(definition=interval(low, high, whole=False, log=True))


def _normal(fields: Fields, kind: str) -> Read:
    mu, sigma = fields.number("mu"), fields.number("sigma")
    mu, sigma = 0.0 if mu is None else mu, 1.0 if sigma is None else sigma
    if sigma < 0:
        raise fields.wrong("sigma", "a number from 0")
    q = _quantum(fields) if kind.startswith("q_") else None
    return bell(mu, sigma, log=kind.endswith("log_normal"), q=q)


def _beta(fields: Fields, kind: str) -> Read:
    a, b = (fields.number(key) for key in ("a", "b"))
    shape = (
        f"the beta distribution, a {show(1 if a is None else a)}, b {show(1 if b is None else b)}"
    )
    lost = () if a in (None, 1) and b in (None, 1) else (f"{shape}: all values are alike at first",)
    if kind == "beta":
        return Read(definition=interval(0.0, 1.0, whole=False), lost=lost)
    read = rounded(0, 1, _quantum(fields))
    return Read(definition=read.definition, lost=lost)


_READERS: dict[str, Callable[[Fields, str], Read]] = {
    **dict.fromkeys(("categorical", "categorical_w_probabilities"), _categorical),
    **dict.fromkeys(("int_uniform", "uniform", "q_uniform"), _uniform),
    **dict.fromkeys(("log_uniform", "q_log_uniform", "inv_log_uniform"), _log),
    **dict.fromkeys(
        ("log_uniform_values", "q_log_uniform_values", "inv_log_uniform_values"), _log_values
    ),
    **dict.fromkeys(("normal", "log_normal", "q_normal", "q_log_normal"), _normal),
    **dict.fromkeys(("beta", "q_beta"), _beta),
}
