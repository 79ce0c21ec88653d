"""One run of the fault suite: studies, faults, and then the checks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.check_history import Calls
from tests.chaos.checks import check_stack
from tests.chaos.faults import make_catalogue
from tests.chaos.injector import Injector
from tests.chaos.plan import ChaosPlan, Outcome
from tests.chaos.progress import Progress, read_progress
from tests.chaos.schedule import applicable, plan
from tests.chaos.stack import Stack
from tests.chaos.studies import OBJECTIVES, PLANTING, STUDIES
from tests.support.patience import wait_until
from tests.support.service_process import Nursery
from tuner.snapshot import make_snapshot

LOOK_S = 0.25
#: Progress is told so often.
TELL_S = 15.0
#: How long a trial takes, and how much longer where the trials lead the schedule by so much.
FAST_S = 0.02
PACES = ((0.2, 30.0), (0.1, 8.0), (0.03, 3.0), (-0.03, 1.0))
#: The last trials are kept for the last faults.
FEW, FEW_S = 15, 8.0
#: Nor may a fault that wants trials fast use up those of the others: up to this lead only.
HURRY_LEAD = 0.15
#: Without any progress for so long something is lost, or nothing is left for the faults.
STUCK_S, OVER_S = 90.0, 25.0
FILED_S, UNFILED = 60.0, 50


class Run:
    """Mutable: it goes through its life once.

    Args:
        stack: started.
        order: what to do.
        say: told what happens, line by line.
    """

    def __init__(self, stack: Stack, order: ChaosPlan, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._order = order
        self._tell = say
        catalogue = make_catalogue()
        wanted = set(order.only or catalogue) - set(order.without)
        self._names = names = [n for n in applicable(catalogue, order.kind) if n in wanted]
        planned = plan(catalogue, names, order.seed, order.every_s)
        if order.each_once:
            planned = iter([next(planned) for _ in names])
        self._injector = Injector(stack, catalogue, planned, self._say)
        self._total = sum(study.trials_of(order.trials) for study in STUDIES)
        self._moved_at = time.monotonic()
        self._told_at = self._moved_at
        self._seen = 0

    def tune(self) -> Outcome:
        """Submit the studies, harm everything until they have ended, and check."""
        self._submit()
        began = time.monotonic()
        progress = self._harm()
        outcome = Outcome(faults=self._injector.struck, tuning_s=time.monotonic() - began)
        outcome.missing = [name for name in self._names if not self._injector.struck[name]]
        self._say("settling")
        self._wait_filed()
        statuses = self._statuses()
        self._end()
        self._say("checking")
        final = read_progress(self._stack) or progress
        outcome.trials, outcome.attempts = final.ended, final.attempts
        outcome.leases_lost = final.lost
        if final.open:
            outcome.violations.append(f"studies do not end: {final.open}")
        calls = Calls(self._stack.history.read())
        outcome.refused = calls.refused
        outcome.violations += self._stack.violations
        outcome.violations += check_stack(
            self._stack, calls, statuses, self._order.trials, self._order.seed
        )
        return outcome

    def _say(self, text: str) -> None:
        self._tell(f"{self._seen:5d} ended  {text}")

    def _submit(self) -> None:
        service = self._stack.servers[0]
        snapshot = make_snapshot(OBJECTIVES)
        answer = service.call("PUT", f"/code/{snapshot.sha256}", content=snapshot.data)
        assert answer.status_code in (200, 201, 204), answer.text
        for study in STUDIES:
            spec = study.spec(self._order.trials, self._order.seed % 2**31)
            service.post("/studies", {"spec": spec, "code": snapshot.sha256})

    def _harm(self) -> Progress:
        """Go through the schedule until the studies have ended; then end all faults."""
        look_at = 0.0
        progress = Progress(ended=0, attempts=0, lost=0, leased=0, unfiled=0, open=("all",))
        while progress.open or not self._is_through():
            if not self._order.each_once or not self._is_through():
                self._injector.step()
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + LOOK_S
                progress = read_progress(self._stack) or progress
                self._set_pace(progress)
                self._go_on(progress)
                if self._is_stuck(progress):
                    break
            time.sleep(0.02)
        self._injector.finish()
        return progress

    def _go_on(self, progress: Progress) -> None:
        """Resume the study whose trials plant things, as its user does when it was paused."""
        if any(name.startswith(f"{PLANTING.name} paused") for name in progress.open):
            with contextlib.suppress(httpx.TransportError):
                self._stack.lead.call("POST", f"/studies/{PLANTING.full_name}/resume")

    def _is_through(self) -> bool:
        return not self._order.each_once or self._injector.is_done

    def _set_pace(self, progress: Progress) -> None:
        """Have trials and schedule end together, where the schedule has an end."""
        lead = progress.ended / self._total - self._injector.struck.total() / len(self._names)
        pace = next((pace for by, pace in PACES if lead > by), FAST_S)
        if self._total - progress.ended < FEW:
            pace = max(pace, FEW_S)
        if self._is_through():
            self._stack.set_pace(FAST_S)
        else:
            self._stack.set_pace(pace, may_hurry=lead < HURRY_LEAD)

    def _is_stuck(self, progress: Progress) -> bool:
        if progress.ended != self._seen:
            self._seen, self._moved_at = progress.ended, time.monotonic()
            if self._moved_at > self._told_at + TELL_S:
                self._told_at = self._moved_at
                faults = self._injector.struck.total()
                self._say(f"{progress.attempts} attempts, {progress.lost} lost, {faults} faults")
        return time.monotonic() - self._moved_at > (STUCK_S if progress.open else OVER_S)

    def _wait_filed(self) -> None:
        """Wait until the log root is nearly complete: the rest is filed by the servers' end."""

        def is_filed() -> bool:
            progress = read_progress(self._stack)
            return progress is not None and progress.unfiled <= UNFILED

        try:
            wait_until(is_filed, "the attempts are filed", seconds=FILED_S)
        except AssertionError as exc:
            self._say(str(exc))

    def _statuses(self) -> dict[str, dict[str, Any]]:
        server = self._stack.lead
        return {study.name: server.get(f"/studies/{study.full_name}") for study in STUDIES}

    def _end(self) -> None:
        """End everything as an operator does."""
        for fleet in self._stack.fleets:
            fleet.stop()
        for server in self._stack.servers:
            server.stop()


def run(folder: Path, nursery: Nursery, order: ChaosPlan, say: Callable[[str], None]) -> Outcome:
    """Set up a stack, run, and take it down; files stay in `folder`."""
    stack = Stack(
        folder, order.kind, nursery, log_mb=order.log_mb, leader_lease_s=order.leader_lease_s
    )
    try:
        stack.start()
        outcome = Run(stack, order, say).tune()
        if outcome.violations:
            stack.log_root.keep(folder / "logs-kept")
        return outcome
    finally:
        stack.close()
