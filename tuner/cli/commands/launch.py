"""`tuner launch slurm`: workers as a job array."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.arguments import Json, settings
from tuner.cli.launching import output as screen
from tuner.cli.launching.options import (
    DryRun,
    Export,
    Gpus,
    Idle,
    Mem,
    Name,
    OneHost,
    Output,
    Python,
    TokenFile,
    Workers,
)
from tuner.cli.printing import print_file, print_json, write_new
from tuner.launch.container import parse_image
from tuner.launch.files import keep_script, launches_folder, make_launches_folder

if TYPE_CHECKING:
    from tuner.launch.plan import Plan


def slurm(
    *,
    workers: Workers,
    name: Name = "tuner",
    partition: Annotated[
        str | None, typer.Option(metavar="NAME", help="Partition of the cluster.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(metavar="NAME", help="Account that pays for it.")
    ] = None,
    qos: Annotated[str | None, typer.Option(metavar="NAME", help="Quality of service.")] = None,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Time limit of each worker: as sbatch takes it, or 4h, 1h30m, 2d."
        ),
    ] = None,
    cpus: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=4096, help="Processors of each worker.")
    ] = None,
    gpus: Gpus = "0",
    mem: Mem = None,
    image: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE", help="Run in this image by Apptainer: name@sha256:…, or a .sif file."
        ),
    ] = None,
    directive: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OPTION",
            help="Another option of sbatch, such as --directive=--constraint=a100; repeatable.",
        ),
    ] = None,
    export: Export = None,
    python: Python = None,
    token_file: TokenFile = None,
    idle: Idle = "30m",
    one_host: OneHost = False,
    dry_run: DryRun = False,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Submit a job array to Slurm, a worker in each task; preempted workers start again."""
    from tuner.launch import slurm as desk
    from tuner.launch import words
    from tuner.launch.order import LaunchOrder
    from tuner.launch.slurm_script import SlurmAsk, write_script

    config = settings()
    container = None if image is None else parse_image(image)
    gpu_type, gpu_count = words.parse_gpus(gpus)
    ask = SlurmAsk(
        logs=launches_folder(config),
        partition=screen.one_word("--partition", partition),
        account=screen.one_word("--account", account),
        qos=screen.one_word("--qos", qos),
        time=None if time is None else words.parse_time(time),
        cpus=cpus,
        gpu_type=gpu_type,
        mem=None if mem is None else words.check_memory(mem),
        directives=tuple(words.check_directives(directive or ())),
        container=container,
    )
    order = LaunchOrder(
        name=words.check_name(name),
        workers=workers,
        gpus=gpu_count,
        idle_s=words.parse_idle(idle),
        exports=words.pick_exports(export or (), os.environ),
        python=python or ("python3" if container else sys.executable),
        token_file=token_file,
        one_host=one_host,
        image=None if container is None else container.image,
    )
    purpose = screen.purpose(output, dry_run=dry_run)
    if purpose == "start":
        desk.find_sbatch(os.environ)
    plan = order.plan(config, os.environ, purpose)
    text = write_script(plan, ask)
    if purpose == "show":
        print_file(text)
    elif output is not None:
        # Slurm starts no job whose log it cannot open.
        make_launches_folder(config)
        write_new(output, text, is_program=True)
        screen.say([("script", str(output)), ("submit", screen.typed("sbatch", output))])
    else:
        script = keep_script(config, f"{plan.name}.sbatch", text)
        job = desk.submit(script, os.environ)
        _say(plan, ask.logs, script, job, as_json=as_json)


def _say(plan: Plan, logs: Path, script: Path, job: str, *, as_json: bool) -> None:
    first = f"{plan.name}-{job}-0-0"
    if as_json:
        print_json(
            {
                "job": job,
                "name": plan.name,
                "workers": plan.workers,
                "script": str(script),
                "logs": str(logs / f"{plan.name}-{job}_*.log"),
                "stop": ["scancel", job],
            }
        )
        return
    count = "1 worker" if plan.workers == 1 else f"{plan.workers} workers"
    screen.say(
        [
            ("job", f"{job}: {count} in its tasks, the first is called {first}"),
            ("see", f"squeue --job {job}"),
            ("", "tuner workers list"),
            ("logs", f"{logs / f'{plan.name}-{job}'}_*.log"),
            ("stop", f"scancel {job}"),
            ("script", str(script)),
        ]
    )
