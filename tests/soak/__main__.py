"""`python -m tests.soak run | report`: hours of work, and what grows meanwhile."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

import httpx
import redis
import sqlalchemy as sa

from tests.soak.report import SAID, SAMPLES, report
from tests.soak.sampling import Sampler
from tests.soak.service import Service
from tests.soak.studies import PLACES, Rotation
from tests.support.servers import open_postgres
from tests.support.service_process import TOKEN

LOOK_S = 3.0


def main(argv: list[str]) -> int:
    """Run what the arguments say; return 1 when something grows."""
    arguments = _parser().parse_args(argv)
    if arguments.command == "run":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        folder = arguments.folder or Path(tempfile.mkdtemp(prefix="tuner-soak-"))
        folder.mkdir(parents=True, exist_ok=True)
        print(f"soak: {arguments.hours:g} hours in {folder}", flush=True)
        _run(folder, arguments)
    else:
        folder = arguments.folder
    text, grows = report(folder)
    print(text)
    return 1 if grows else 0


def _run(folder: Path, arguments: argparse.Namespace) -> None:
    with contextlib.ExitStack() as stack:
        url = None
        if arguments.database == "postgresql":
            postgres = open_postgres(private=True)
            stack.callback(postgres.stop)
            url = stack.enter_context(postgres.fresh_database())
        service = Service(folder / "home", url, arguments.workers, arguments.trial_s)
        stack.callback(service.stop)
        api = stack.enter_context(
            httpx.Client(
                base_url=f"{service.url}/v1",
                headers={"Authorization": f"Bearer {TOKEN}"},
                timeout=60,
                verify=False,  # noqa: S501 - plain HTTP; the default would read all certificates
            )
        )
        sampler = Sampler(service, api)
        stack.callback(sampler.close)
        rotation = Rotation(api, arguments.trials, service.orders, arguments.plants)
        _tune(folder, arguments, service, sampler, rotation)


def _tune(
    folder: Path,
    arguments: argparse.Namespace,
    service: Service,
    sampler: Sampler,
    rotation: Rotation,
) -> None:
    began = time.monotonic()
    end, sample_at = began + 3600 * arguments.hours, began
    while time.monotonic() < end:
        try:
            rotation.step()
        except (httpx.HTTPError, ValueError) as exc:
            rotation.said.append(f"step: {exc!r}")
        if time.monotonic() >= sample_at:
            sample_at += arguments.every_s
            try:
                sample = sampler.take()
            except (
                OSError,
                AssertionError,
                redis.RedisError,
                sa.exc.DBAPIError,
                httpx.HTTPError,
            ) as exc:
                rotation.said.append(f"sample: {exc!r}")
            else:
                sample["hours"] = (time.monotonic() - began) / 3600
                sample["work.studies"] = sum(rotation.generations.values())
                sample["work.ended"] = sample["work.studies"] * arguments.trials
                with (folder / SAMPLES).open("a") as file:
                    file.write(json.dumps({k: round(v, 5) for k, v in sample.items()}) + "\n")
        _note(folder, rotation)
        if not service.is_running():
            raise SystemExit(f"the server has ended; its log is {service.log}")
        time.sleep(LOOK_S)


def _note(folder: Path, rotation: Rotation) -> None:
    if rotation.said:
        with (folder / SAID).open("a") as file:
            file.writelines(f"{time.strftime('%H:%M:%S')}  {line}\n" for line in rotation.said)
        rotation.said.clear()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="work, sample, report")
    run.add_argument("--hours", type=float, default=2.0)
    run.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    run.add_argument("--workers", type=int, default=2)
    run.add_argument("--trials", type=int, default=40, help="of each study")
    run.add_argument("--trial-s", type=float, default=3.0, help="what a trial takes")
    run.add_argument("--every-s", type=float, default=60.0, help="between two samples")
    run.add_argument(
        "--plants", choices=[*PLACES], default="run", help="where planting trials plant"
    )
    run.add_argument("--folder", type=Path, help="of all files; a new one by default")
    shown = commands.add_parser("report", help="the table of what was sampled so far")
    shown.add_argument("folder", type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
