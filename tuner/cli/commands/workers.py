"""`tuner workers …`: the worker processes of this host, and those that the service knows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.arguments import Json, settings
from tuner.cli.printing import print_json, print_text, say
from tuner.errors import NotFoundError, SetupError
from tuner.local import open_changer, open_reader, start_api
from tuner.local.fleets.fleet import HOST, Fleet
from tuner.local.fleets.scaler_lock import scaler_pid
from tuner.protocol import Isolation
from tuner.runtime.system import MAX_DEVICES, require_linux

if TYPE_CHECKING:
    from tuner.settings import Settings

#: Of the workers' image (docker/worker.Dockerfile).
_IMAGE_HOME = Path("/tmp/tuner")  # noqa: S108 - nothing is written there by this name  # nosec B108  # only compared

Count = Annotated[int, typer.Argument(metavar="N", min=0, max=1024, help="number of workers")]
PerWorker = Annotated[
    int | None,
    typer.Option(
        min=1, max=MAX_DEVICES, help="GPUs of each worker: the number in trial.gpus (default: 1)."
    ),
]

Gpus = Annotated[
    str | None,
    typer.Option(help="all, none, or UUIDs with commas (default: all that there are)."),
]
Isolated = Annotated[Isolation, typer.Option(help="How each trial gets its own process.")]


def up(
    *,
    n: Annotated[
        int | None,
        typer.Option(
            "-n",
            min=1,
            max=1024,
            help="Default: one per GPU, or per two cores; fewer if each owns several GPUs.",
        ),
    ] = None,
    gpus: Gpus = None,
    gpus_per_worker: PerWorker = None,
    isolation: Isolated = "fork",
) -> None:
    """Start worker processes on this host; they stay until `tuner down`."""
    require_linux("tuner workers up")
    config = settings()
    chosen, each, count = choose_workers(config, n, "-n", gpus, gpus_per_worker)
    fleet = _host_fleet(config)
    state = fleet.state()
    if state is not None:
        size = "" if each == state.gpus_per_worker else f" --gpus-per-worker {each}"
        raise SetupError(
            f"{state.count} workers are already up (pid {state.pid}); "
            f"change {'their number' if not size else 'them'} with: "
            f"tuner workers scale {count}{size}"
        )
    _start(config, fleet, count, gpus=chosen, per_worker=each, isolation=isolation)


def choose_workers(
    config: Settings, n: int | None, option: str, gpus: str | None, gpus_per_worker: int | None
) -> tuple[str, int, int]:
    """Return which GPUs workers own, how many each, and how many workers there may be.

    Args:
        n: how many workers are asked for; None: as many as the GPUs allow, else one per two cores.
        option: that asks for them.
        gpus: "all", "none", UUIDs with commas, or None: all there are.
        gpus_per_worker: of each; None: what the settings say, else one.

    Raises:
        SetupError: there are no GPUs, or too few for so many workers.
    """
    from tuner.local.fleets.devices import count_gpus

    found = count_gpus() if gpus in (None, "all") else 0
    if not found and (gpus == "all" or (gpus is None and gpus_per_worker is not None)):
        wish = "--gpus all" if gpus == "all" else f"--gpus-per-worker {gpus_per_worker}"
        raise SetupError(f"{wish}: this machine shows no NVIDIA GPU (nvidia-smi lists them)")
    chosen = gpus or ("all" if found else "none")
    named = 0 if chosen in ("all", "none") else len(chosen.split(","))
    each = gpus_per_worker or config.gpus_per_worker or 1
    room = _room(found or named, each)
    count = n or room or max(1, len(os.sched_getaffinity(0)) // 2)
    if room and count > room:
        own = "one" if each == 1 else f"{each} of them"
        raise SetupError(
            f"{option} {count}: only {found or named} GPUs, and each worker owns {own}"
        )
    return chosen, each, count


def _room(gpus: int, each: int) -> int:
    """Return how many workers can own so many GPUs each; 0: they use the processor.

    Raises:
        SetupError: there are too few for one.
    """
    if 0 < gpus < each:
        have = "1 GPU" if gpus == 1 else f"{gpus} GPUs"
        raise SetupError(f"--gpus-per-worker {each}: there {'is' if gpus == 1 else 'are'} {have}")
    return gpus // each


def scale(n: Count, *, gpus_per_worker: PerWorker = None) -> None:
    """Set the number of workers on this host; workers that are stopped save a checkpoint first."""
    from tuner.local.fleets.devices import count_gpus

    config = settings()
    fleet = _host_fleet(config)
    state = fleet.state()
    elsewhere = platform_command(config, n) if state is None else None
    if elsewhere is not None:
        say("the platform owns the workers; run:")
        print_text(elsewhere)
        return
    if gpus_per_worker is not None and _room(count_gpus(), gpus_per_worker) == 0:
        raise SetupError(
            f"--gpus-per-worker {gpus_per_worker}: this machine shows no NVIDIA GPU "
            f"(nvidia-smi lists them)"
        )
    if state is not None:
        fleet.scale(n, gpus_per_worker)
        size = "" if gpus_per_worker is None else f" with {gpus_per_worker} GPUs each"
        say(f"{state.count} → {n} workers{size}; see them with: tuner workers list")
    elif n:
        each = gpus_per_worker or config.gpus_per_worker or 1
        gpus = "all" if _room(count_gpus(), each) else "none"
        _start(config, fleet, n, gpus=gpus, per_worker=each, isolation="fork")
    else:
        say("no workers are up")


def list_workers(*, as_json: Json = False) -> None:
    """List the workers that the service has heard from recently."""
    from tuner.cli.render import output, tables

    config = settings()
    try:
        with open_reader(config) as api:
            rows = api.workers()
    except NotFoundError:
        rows = []
    if as_json:
        print_json(rows)
    elif rows:
        output.out().print(tables.worker_table(rows))
    else:
        say(_none_yet(config))


def drain(name: Annotated[str, typer.Argument(metavar="NAME", help="name of the worker")]) -> None:
    """Let a worker finish its trial and leave."""
    with open_changer(settings()) as api:
        api.drain(name)
    say(f"{name}: leaves after its present trial")


def test(name: Annotated[str, typer.Argument(metavar="NAME", help="name of the worker")]) -> None:
    """Have a worker test itself now; if it passes, one that is out of service is used again."""
    with open_changer(settings()) as api:
        api.test(name)
    say(f"{name}: tests itself as soon as it is idle; see: tuner workers list")


def platform_command(config: Settings, n: int) -> str | None:
    """Return the command that scales workers where a platform owns the processes, else None.

    A container alone says nothing: many develop in one, in Kubernetes as well. In the image of our
    workers the home is where that image puts it.
    """
    if config.api_url is None or config.home != _IMAGE_HOME:
        return None
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return f"kubectl scale deployment/tuner-worker --replicas={n}"
    if Path("/.dockerenv").exists():
        return f"docker compose up --detach --no-recreate --scale worker={n}"
    return None


def _none_yet(config: Settings) -> str:
    if (pid := scaler_pid(config)) is not None:
        return (
            f"no workers; tuner workers autoscale (pid {pid}) starts some when studies can use them"
        )
    fleet = _host_fleet(config)
    state = fleet.state()
    if state is None or not state.count:
        return "no workers; start some with: tuner workers up"
    return f"{state.count} workers are starting here and have not reported yet (log: {fleet.log})"


def _host_fleet(config: Settings) -> Fleet:
    return Fleet(config, HOST)


def _start(
    config: Settings, fleet: Fleet, count: int, *, gpus: str, per_worker: int, isolation: Isolation
) -> None:
    from tuner.cli.render.output import err
    from tuner.cli.render.study.headings import fleet as line
    from tuner.cli.render.waiting import waiting

    with waiting("starting the service and the workers"), start_api(config, os.environ) as api:
        process = fleet.start(
            count,
            environ=os.environ,
            api_url=config.api_url or api.url,
            gpus=gpus,
            gpus_per_worker=per_worker,
            isolation=isolation,
            bound=False,
        )
        state = fleet.wait_started(process)
    err().print(line(state, fleet.log), soft_wrap=True)
