"""`tuner workers autoscale`: workers of this host that come and go with the demand."""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.arguments import settings
from tuner.cli.commands.workers import Gpus, Isolated, PerWorker, choose_workers
from tuner.cli.printing import print_json_line
from tuner.cli.signals import interruptible
from tuner.errors import SetupError
from tuner.local.fleets.scaler_lock import only_one
from tuner.runtime.system import require_linux

if TYPE_CHECKING:
    from tuner.local.fleets.autoscale import Autoscale, ScaleChange, Sort
    from tuner.local.fleets.scaling import ScalingLimits


def autoscale(
    *,
    least: Annotated[
        int,
        typer.Option(
            "--min", metavar="N", min=0, max=1024, help="Number of workers that always stay."
        ),
    ] = 0,
    most: Annotated[
        int | None,
        typer.Option(
            "--max",
            metavar="N",
            min=1,
            max=1024,
            help="Default: one per GPU, or per two cores; fewer if each owns several GPUs.",
        ),
    ] = None,
    cooldown: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0,
            max=86_400,
            help="Stop workers only after fewer were needed for this time.",
        ),
    ] = 60.0,
    grace: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            max=7 * 86_400,
            help="How long trials may keep running at the end (default: until they finish).",
        ),
    ] = None,
    gpus: Gpus = None,
    gpus_per_worker: PerWorker = None,
    isolation: Isolated = "fork",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document per line instead.")
    ] = False,
) -> None:
    """Start workers on this host when studies can use them, and stop them when none can.

    It runs until Ctrl-C or SIGTERM: then the workers finish their trials and stop. It never stops
    a worker that runs a trial because fewer are needed.
    """
    from tuner.local.fleets.autoscale import Autoscale, Sort
    from tuner.local.fleets.scaling import ScalingLimits

    require_linux("tuner workers autoscale")
    config = settings()
    chosen, each, count = choose_workers(config, most, "--max", gpus, gpus_per_worker)
    if least > count:
        raise SetupError(f"--min {least}: more than --max {count}")
    sort = Sort(gpus=chosen, gpus_per_worker=each, isolation=isolation, image=config.image or "")
    limits = ScalingLimits(least=least, most=count, cooldown_s=cooldown)
    said = _JsonLines() if as_json else _Lines()
    with only_one(config):
        scaler = Autoscale(
            config, os.environ, sort, limits, on_change=said.change, on_note=said.note
        )
        _run(scaler, said, sort, limits, grace)


def _run(
    scaler: Autoscale,
    said: _Lines | _JsonLines,
    sort: Sort,
    limits: ScalingLimits,
    grace_s: float | None,
) -> None:
    """Scale until a signal comes; then let the workers go."""
    from tuner.cli.render.waiting import waiting

    with interruptible(scaler.hurry):
        try:
            with waiting("starting the service"):
                scaler.start()
            said.begin(scaler, sort, limits)
            scaler.follow()
        except KeyboardInterrupt:
            said.end(scaler, grace_s)
        finally:
            scaler.drain(grace_s)
            scaler.close()


def _clock() -> str:
    return time.strftime("%H:%M:%S")


class _Lines:
    """What people read: a line for each change, with its time."""

    def begin(self, scaler: Autoscale, sort: Sort, limits: ScalingLimits) -> None:
        """Say what is going to happen."""
        from tuner.cli.render.output import err

        each = "cpu" if sort.device == "cpu" else f"{sort.owned} GPU{'s'[: sort.owned > 1]} each"
        err().print(
            f"[label]workers[/]      {limits.least} to {limits.most} on {each}, as the studies can "
            f"use them (log: {scaler.fleet.log})",
            soft_wrap=True,
        )
        err().print("[quiet]Ctrl-C lets them end their trials and leave[/]")

    def change(self, change: ScaleChange) -> None:
        """Say how many workers there are from now on."""
        from rich.markup import escape

        from tuner.cli.render.output import out

        now = change.after
        workers = "worker" if now == 1 else "workers"
        text = f"{change.before} → {now} {workers}: {escape(change.reason)}"
        out().print(f"[quiet]{_clock()}[/]  {text}", soft_wrap=True)
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Say what else has happened."""
        from rich.markup import escape

        from tuner.cli.render.output import err

        err().print(f"[quiet]{_clock()}[/]  {escape(text)}", soft_wrap=True)

    def end(self, scaler: Autoscale, grace_s: float | None) -> None:
        """Say what the workers do now that the user wants to leave."""
        state = scaler.state
        busy = sum(w.get("state") == "busy" for w in state.workers) if state else 0
        if not busy:
            return
        until = "" if grace_s is None else f", at most {grace_s:g} s"
        self.note(
            f"waiting for {busy} trial{'' if busy == 1 else 's'} to end{until}; Ctrl-C again: they "
            f"are given back, with their checkpoints, and continue elsewhere"
        )


class _JsonLines:
    """What programs read: one JSON document a line on standard output."""

    def begin(self, scaler: Autoscale, sort: Sort, limits: ScalingLimits) -> None:
        """Say what is going to happen."""
        self._print(
            event="started",
            device=sort.device,
            gpus=sort.owned,
            min=limits.least,
            max=limits.most,
            log=str(scaler.fleet.log),
        )

    def change(self, change: ScaleChange) -> None:
        """Say how many workers there are from now on."""
        self._print(
            event="scaled",
            before=change.before,
            after=change.after,
            wanted=change.wanted,
            others=change.others,
            reason=change.reason,
        )

    def note(self, text: str) -> None:
        """Say what else has happened."""
        self._print(event="note", text=text)

    def end(self, scaler: Autoscale, grace_s: float | None) -> None:
        """Say that the workers leave."""
        state = scaler.state
        busy = sum(w.get("state") == "busy" for w in state.workers) if state else 0
        self._print(event="draining", busy=busy, grace_s=grace_s)

    def _print(self, **facts: object) -> None:

        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        print_json_line({"time": moment, **facts})
