"""Regret curves as SVG, by hand: a plot needs no package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.sampler import stats
from tests.benchmarks.sampler.results import Run
from tests.benchmarks.sampler.tasks.task import Array

_WIDTH, _HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 170, 34, 42
_LOWEST = 1e-4
#: Eight hues that people with any kind of colour vision tell apart (Okabe & Ito 2008).
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8a7f00")


def write_plots(folder: Path, title: str, runs: Sequence[Run]) -> list[Path]:
    """Write one picture for each number of pending trials; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for pending in sorted({run.pending for run in runs}):
        lines = {}
        for arm, tasks in sorted(stats.curves_of(r for r in runs if r.pending == pending).items()):
            curves = [curve for seeds in tasks.values() for curve in seeds.values()]
            n = min(len(curve) for curve in curves)
            label = arm[0] if arm[1] == "none" else f"{arm[0]} {arm[1]}"
            lines[label] = np.mean([curve[:n] for curve in curves], axis=0)
        path = folder / f"{title}-{pending}.svg"
        path.write_text(draw(f"{title}: mean normalised regret, {pending} pending", lines))
        written.append(path)
    return written


def draw(title: str, lines: dict[str, Array]) -> str:
    """Return a picture of curves over trials; the regret axis is logarithmic."""
    n = max(len(line) for line in lines.values())
    low = max(
        _LOWEST, 10 ** np.floor(np.log10(max(min(line.min() for line in lines.values()), 1e-9)))
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="20" font-size="14">{title}</text>',
        *_axes(n, low),
    ]
    for index, (label, line) in enumerate(lines.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        dash = ' stroke-dasharray="5 3"' if index >= len(_COLOURS) else ""
        points = " ".join(
            f"{_x(at + 1, n):.1f},{_y(value, low):.1f}" for at, value in enumerate(line)
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"{dash}/>'
        )
        y = _TOP + 12 + 18 * index
        x = _WIDTH - _RIGHT + 12
        parts.append(f'<path d="M{x} {y - 4}h18" stroke="{colour}" stroke-width="2.5"{dash}/>')
        parts.append(f'<text x="{x + 24}" y="{y}">{label}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _axes(n: int, low: float) -> list[str]:
    parts = []
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    exponent = 0
    while 10.0**exponent >= low * 0.999:
        y = _y(10.0**exponent, low)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**exponent:g}</text>'
        )
        exponent -= 1
    for at in (1, *range(20, n + 1, 20)):
        x = _x(at, n)
        parts.append(f'<path d="M{x:.1f} {bottom}v5" stroke="#666"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{at}</text>')
    parts.append(f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" stroke="#666" fill="none"/>')
    middle = (_LEFT + right) / 2
    parts.append(
        f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">trials finished</text>'
    )
    return parts


def _x(at: int, n: int) -> float:
    return _LEFT + (_WIDTH - _RIGHT - _LEFT) * (at - 1) / max(n - 1, 1)


def _y(value: float, low: float) -> float:
    share = np.log10(max(value, low)) / np.log10(low)
    return float(_TOP + (_HEIGHT - _BOTTOM - _TOP) * share)
