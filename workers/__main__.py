"""`python -m workers run | fleet | health | try | preflight | measure`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path

from tuner.errors import SetupError, TunerError
from tuner.protocol import BACKENDS
from tuner.runtime.logs import configure_logging
from tuner.runtime.system import require_linux
from tuner.security.secrecy import keep_secrets
from workers.host.names import own_name
from workers.host.options import load_gpus_per_worker, load_log_format
from workers.stint import add_limits, read_limits

logger = logging.getLogger(__name__)

EXIT_INPUT = 2


def main(argv: list[str]) -> int:
    """Run one of the commands; return the exit status."""
    arguments = _parser().parse_args(argv)
    if arguments.command == "health":
        return _health(arguments.control)
    # First of all: other trials of this host may be looking from the start on.
    keep_secrets(os.environ)
    # For errors in the settings themselves.
    configure_logging("text")
    try:
        require_linux("a worker")
        configure_logging(load_log_format(os.environ), **_context(arguments))
        if arguments.command == "run":
            return _run(arguments)
        if arguments.command == "fleet":
            return _fleet(arguments)
        if arguments.command == "measure":
            return _measure(arguments)
        return _preflight() if arguments.command == "preflight" else _try()
    except TunerError as exc:
        logger.error("not started", extra={"reason": str(exc)})
        return EXIT_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers", description="Workers of Tuner.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="one worker")
    run.add_argument(
        "--name",
        help="unique among all workers of the service (default: host, process and a random part)",
    )
    run.add_argument(
        "--device",
        default="cpu",
        help="cpu (default), gpu:UUID[,UUID…], or gpu:visible, those of CUDA_VISIBLE_DEVICES",
    )
    run.add_argument("--status-fd", type=int, help="descriptor that the worker's state is told to")
    fleet = commands.add_parser("fleet", help="supervised workers of this host")
    fleet.add_argument("--count", type=_count, required=True, help="number of workers")
    fleet.add_argument(
        "--control", type=Path, required=True, help='file with {"count": n}, read again'
    )
    fleet.add_argument(
        "--gpus", default="all", help="all (default), none, or UUIDs with commas between"
    )
    fleet.add_argument(
        "--gpus-per-worker",
        metavar="N",
        help="GPUs that each worker owns (default: TUNER_GPUS_PER_WORKER, else 1)",
    )
    health = commands.add_parser("health", help="whether the fleet of this host is well")
    health.add_argument("--control", type=Path, required=True, help="of the fleet")
    for command in (run, fleet):
        command.add_argument("--isolation", choices=["fork", "spawn"], default="fork")
        command.add_argument("--preimport", choices=["keras", *BACKENDS, "none"], default="keras")
        command.add_argument("--parent", type=int, help="process whose death ends this one")
        add_limits(command)
    run.add_argument("--keeper", help=argparse.SUPPRESS)
    measure = commands.add_parser("measure", help="one hash of what is installed here")
    measure.add_argument("--json", action="store_true", help="with what it covers")
    measure.add_argument(
        "--write", type=Path, metavar="FILE", help="set `files` in this file of an image's facts"
    )
    commands.add_parser("preflight", help="build models before a study; JSON in, JSON lines out")
    commands.add_parser("try", help="one trial up to its first report; JSON in, JSON out")
    return parser


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError(f"{text}: a number of workers from 0")
    return count


def _context(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the facts in every line of the log."""
    if arguments.command == "run":
        arguments.name = arguments.name or own_name()
        return {"worker": arguments.name}
    return {"fleet": str(os.getpid())} if arguments.command == "fleet" else {}


def _run(arguments: argparse.Namespace) -> int:
    from workers.agent.start import WorkerArguments, run_worker

    return run_worker(
        WorkerArguments(
            name=arguments.name,
            device=arguments.device,
            isolation=arguments.isolation,
            preimport=arguments.preimport,
            parent=arguments.parent,
            status_fd=arguments.status_fd,
            limits=read_limits(arguments),
            keeper=arguments.keeper,
        ),
        os.environ,
    )


def _fleet(arguments: argparse.Namespace) -> int:
    from workers.fleet.supervisor import FleetArguments, run_fleet

    return run_fleet(
        FleetArguments(
            count=arguments.count,
            control=arguments.control.absolute(),
            gpus=arguments.gpus,
            gpus_per_worker=load_gpus_per_worker(os.environ, arguments.gpus_per_worker),
            isolation=arguments.isolation,
            preimport=arguments.preimport,
            parent=arguments.parent,
            limits=read_limits(arguments),
        ),
        os.environ,
    )


def _health(control: Path) -> int:
    from workers.fleet.fleet_health import look

    health = look(control)
    print(health.said)  # noqa: T201 - who asks reads it, as `docker inspect` shows it
    return 0 if health.is_well else 1


def _measure(arguments: argparse.Namespace) -> int:
    from workers.host.image_facts import write_facts
    from workers.host.measure import MeasureError, measure

    try:
        measured = measure()
    except MeasureError as exc:
        raise SetupError(f"what is installed here cannot be measured: {exc}") from exc
    if arguments.write is not None:
        write_facts(arguments.write, measured)
    text = json.dumps(measured.to_json()) if arguments.json else measured.files
    sys.stdout.write(f"{text}\n")
    return 0


def _preflight() -> int:
    from workers.preflight.watching import run_preflight

    return run_preflight(sys.stdin, sys.stdout)


def _try() -> int:
    from workers.trial.dry_run import run_try

    return run_try(sys.stdin, sys.stdout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
