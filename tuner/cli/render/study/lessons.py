"""What a study taught: which parameters matter, and which best values lie at a bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.markup import escape

from tuner.cli.render.output import has_bars, parameter
from tuner.cli.render.params import short_names

if TYPE_CHECKING:
    from tuner.documents.importance import Edge, Importance

#: Minimum number of parameters for which importance is shown.
_COMPARED = 2
#: Maximum number of named parameters, and the width of a full bar.
_NAMED, _BAR = 5, 20
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def importance_facts(
    console: Console, importance: Importance | None
) -> list[tuple[str, RenderableType]]:
    """Return which parameters matter, and which best values lie at a bound, as labelled lines."""
    if importance is None:
        return []
    if len(importance["parameters"]) < _COMPARED:
        return edge_facts(importance)
    rows: list[tuple[str, RenderableType]] = []
    shares = [p["share"] for p in importance["parameters"] if p["share"]]
    names = _aligned(short_names([str(p["name"]) for p in importance["parameters"]]), len(shares))
    for at, (name, share) in enumerate(zip(names, shares[:_NAMED], strict=False)):
        bar = _bar(console, share)
        rows.append(("" if at else "matters most", f"{escape(name)}  {share:>4.0%}  {bar}"))
    if not shares:
        rows.append(("matters most", f"[quiet]{escape(importance['why'])}[/]"))
    else:
        rows.append(("", f"[quiet]{_rest(importance, len(shares))}[/]"))
    return [*rows, *edge_facts(importance)]


def edge_facts(importance: Importance) -> list[tuple[str, RenderableType]]:
    """Return which best values lie at a bound of their range, as labelled lines."""
    return [
        ("" if at else "at an end", f"[warn]{escape(_edge_text(edge))}[/]")
        for at, edge in enumerate(importance["edges"])
    ]


def importance_text(importance: Importance | None) -> str:
    """Return which parameters matter in a line, `learning_rate 72%, optimizer 28%`, as markup."""
    if importance is None or len(importance["parameters"]) < _COMPARED:
        return ""
    named = [p for p in importance["parameters"] if p["share"]][:_NAMED]
    if not named:
        return f"[quiet]{escape(importance['why'])}[/]"
    shorts = short_names([str(p["name"]) for p in importance["parameters"]])
    shares = (
        f"{escape(name)} {found['share']:.0%}" for name, found in zip(shorts, named, strict=False)
    )
    return f"{', '.join(shares)}  [quiet]of what parameters explain[/]"


def _edge_text(edge: Edge) -> str:
    """Return that a best value lies at a bound of its range, and what to do."""
    ends = f"{parameter(edge['low'])} to {parameter(edge['high'])}"
    word = "smallest" if edge["end"] == "low" else "largest"
    return (
        f"{edge['name']}: the best, {parameter(edge['value'])}, is the {word} that is allowed "
        f"({ends}), and most good trials lie there: a new study with a wider range may find better "
        "ones"
    )


def _rest(importance: Importance, named: int) -> str:
    """Return what the shares refer to, and what is known about parameters that are not named."""
    others = len(importance["parameters"]) - named
    parts = [f"{named - _NAMED} less than these"] if named > _NAMED else []
    parts += [f"{others} without an effect beyond chance"] if others else []
    rest = f"; {', '.join(parts)}" if parts else ""
    return f"of what parameters explain in {importance['trials']} trials{rest}"


def _aligned(names: Sequence[str], count: int) -> list[str]:
    shown = names[: min(count, _NAMED)]
    width = max((len(name) for name in shown), default=0)
    return [f"{name:<{width}}" for name in shown]


def _bar(console: Console, share: float) -> str:
    if has_bars(console):
        whole, part = divmod(round(share * _BAR * 8), 8)
        return "█" * whole + (_EIGHTHS[part] if part else "")
    return "#" * round(share * _BAR)
