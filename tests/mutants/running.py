"""Runs mutants, several side by side, and says which of them a test has noticed."""

from __future__ import annotations

import contextlib
import queue
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tests.mutants.copy import FAILED, NOTHING, PASSED, Copy
from tests.mutants.mutant import Mutant

#: `no verdict`: its tests fail without it as well, or none of them is in the default run.
Verdict = Literal["killed", "survived", "no verdict"]

_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a mutant.

    Attributes:
        mutant: which one.
        verdict: what its tests said.
        killer: the test that failed, `file::test`; empty: none did.
        took_s: seconds.
        output: of pytest, where there is no verdict.
    """

    mutant: Mutant
    verdict: Verdict
    killer: str = ""
    took_s: float = 0.0
    output: str = ""


class Runner:
    """Runs mutants in copies of the tree, one copy for each that runs at the same time.

    Args:
        folder: for the copies.
        jobs: how many run at the same time.
    """

    def __init__(self, folder: Path, jobs: int) -> None:
        self._jobs = jobs
        self._copies: queue.Queue[Copy] = queue.Queue()
        for number in range(jobs):
            place = folder / str(number)
            place.mkdir()
            self._copies.put(Copy(place))
        self._lock = threading.Lock()

    def run(self, mutants: Sequence[Mutant], tell: Callable[[Result], None]) -> list[Result]:
        """Run mutants; return what became of them, in their order.

        Args:
            mutants: which.
            tell: called with each result as it comes, from several threads, one at a time.
        """
        with ThreadPoolExecutor(self._jobs) as pool:
            # A test that fails anyway notices nothing.
            failing = pool.submit(self._fail_anyway, mutants)
            made = [pool.submit(self._one, mutant, failing, tell) for mutant in mutants]
            return [future.result() for future in made]

    def _fail_anyway(self, mutants: Sequence[Mutant]) -> frozenset[str]:
        tests = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
        with self._copy() as copy:
            _, output = copy.test(tests, all_of_them=True)
        return frozenset(_FAILED.findall(output))

    def _one(
        self, mutant: Mutant, failing: Future[frozenset[str]], tell: Callable[[Result], None]
    ) -> Result:
        with self._copy() as copy:
            result = _in(copy, mutant)
        if result.killer in failing.result() - {""}:
            said = f"{result.killer} fails without the mutant as well"
            result = replace(result, verdict="no verdict", killer="", output=said)
        with self._lock:
            tell(result)
        return result

    @contextlib.contextmanager
    def _copy(self) -> Iterator[Copy]:
        copy = self._copies.get()
        try:
            yield copy
        finally:
            self._copies.put(copy)


def _in(copy: Copy, mutant: Mutant) -> Result:
    began = time.monotonic()
    with copy.mutated(mutant):
        status, output = copy.test(mutant.tests)
    killer = next(iter(_FAILED.findall(output)), "")
    verdict: Verdict = "survived" if status == PASSED else "no verdict"
    if status == FAILED and killer:
        verdict = "killed"
    if status == NOTHING:
        output = f"none of its tests is in the default run\n{output}"
    return Result(
        mutant=mutant,
        verdict=verdict,
        killer=killer if verdict == "killed" else "",
        took_s=time.monotonic() - began,
        output=output if verdict == "no verdict" else "",
    )


def run_mutants(
    mutants: Sequence[Mutant], *, jobs: int, tell: Callable[[Result], None]
) -> list[Result]:
    """Run mutants in copies that are removed afterwards; arguments as `Runner`'s."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        return Runner(Path(folder), min(jobs, len(mutants))).run(mutants, tell)
