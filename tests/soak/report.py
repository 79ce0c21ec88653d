"""The table of a soak, from what was sampled so far."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.soak.trend import Trend, trend

SAMPLES, SAID = "samples.jsonl", "said.log"
#: What may grow, and why.
EXPLAINED = {
    "disk.server_log_mb": "a log, which whoever keeps it rotates",
    "disk.fleet_mb": "a log, which whoever keeps it rotates",
    "disk.redis_mb": "Redis' own log of changes, which it rewrites at 64 MB",
    "machine.load": "others' work on this machine",
}


def read_samples(folder: Path) -> list[dict[str, Any]]:
    """Return the samples in their order; the last line may be half written."""
    found = []
    for line in (folder / SAMPLES).read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found


def report(folder: Path) -> tuple[str, list[str]]:
    """Return the table as Markdown, and the names of what grows."""
    samples = read_samples(folder)
    if not samples:
        return "no sample yet", []
    hours = samples[-1]["hours"]
    lines = [
        f"{hours:.2f} hours, {len(samples)} samples, {samples[-1]['work.ended']:.0f} trials ended"
        f" in {samples[-1]['work.studies']:.0f} studies",
        "",
        "| what | at first | level | least | most | slope an hour (95 %) | of the level | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    grows, verdicts = [], Counter[str]()
    for name in sorted({key for sample in samples for key in sample} - {"hours"}):
        if name.startswith("work."):
            continue
        having = [sample for sample in samples if name in sample]
        found = trend([s["hours"] for s in having], [s[name] for s in having])
        if found is None:
            continue
        verdicts[found.verdict] += 1
        if found.verdict == "grows" and name not in EXPLAINED:
            grows.append(name)
        lines.append(_row(name, having[0][name], found))
    lines += ["", "flat" if not grows else f"grows: {', '.join(grows)}"]
    lines.append(", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()))
    said = folder / SAID
    if said.exists() and (text := said.read_text().strip()):
        kinds = Counter(line.partition("  ")[2][:160] for line in text.splitlines())
        lines += ["", "said:", *(f"  {count} x {line}" for line, count in kinds.most_common(20))]
    return "\n".join(lines), grows


def _row(name: str, first: float, found: Trend) -> str:
    cells = [
        name,
        f"{first:.4g}",
        f"{found.level:.4g}",
        f"{found.low:.4g}",
        f"{found.high:.4g}",
        f"{found.slope:+.3g} ± {found.error:.2g}",
        f"{100 * found.per_hour:+.1f} %",
        found.verdict,
    ]
    if found.verdict == "grows" and name in EXPLAINED:
        cells[-1] += f": {EXPLAINED[name]}"
    return "| " + " | ".join(cells) + " |"
