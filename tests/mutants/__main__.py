"""`make mutants`: break promises one by one, and see that a test of the default run notices.

Ends with 1 when a mutant survived, and with 3 when one has no verdict.
"""

from __future__ import annotations

import argparse
import os
import sys

from tests.mutants.promises import MUTANTS
from tests.mutants.running import Result, run_mutants
from tests.mutants.table import PAGE, noticed_by, noticed_in, page_of

SURVIVED, NO_VERDICT = 1, 3


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; return the exit status."""
    asked = _parser().parse_args(arguments)
    names = {mutant.name for mutant in MUTANTS}
    if unknown := [name for name in asked.only if name not in names]:
        sys.exit(f"no such mutant: {', '.join(unknown)}; there are: {', '.join(sorted(names))}")
    chosen = [mutant for mutant in MUTANTS if not asked.only or mutant.name in asked.only]
    if asked.list:
        for mutant in chosen:
            print(f"{mutant.name:32} {mutant.promise}")
        return 0
    results = run_mutants(chosen, jobs=asked.jobs, tell=_tell)
    counts = {v: sum(r.verdict == v for r in results) for v in ("killed", "survived", "no verdict")}
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    if asked.write:
        _write(results)
    if counts["survived"]:
        return SURVIVED
    return NO_VERDICT if counts["no verdict"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", metavar="NAME", nargs="+", default=[], help="run these")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="side by side")
    parser.add_argument("--write", action="store_true", help=f"bring {PAGE.name} up to date")
    parser.add_argument("--list", action="store_true", help="say which there are, run none")
    return parser


def _tell(result: Result) -> None:
    by = f" by {result.killer}" if result.killer else ""
    print(f"{result.mutant.name:32} {result.verdict} after {result.took_s:.0f} s{by}", flush=True)
    if result.output:
        print(result.output[-2000:])


def _write(results: list[Result]) -> None:
    """Write the page; of mutants that were not run it keeps what it said."""
    noticed = noticed_in()
    for result in results:
        killed = result.verdict == "killed"
        noticed[result.mutant.name] = noticed_by(result.killer) if killed else result.verdict
    PAGE.write_text(page_of(MUTANTS, noticed), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
