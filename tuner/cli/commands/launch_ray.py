"""`tuner launch ray`: workers as actors."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from tuner.errors import SpecError
from tuner.launch.files import keep_script

if TYPE_CHECKING:
    from tuner.launch.plan import Plan


def ray(
    *,
    workers: Workers,
    name: Name = "tuner",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address of the cluster, such as 10.0.0.5:6379 (default: RAY_ADDRESS, else the "
            "Ray here).",
        ),
    ] = None,
    cpus: Annotated[
        float,
        typer.Option(
            metavar="N", min=0, max=4096, help="Processors that Ray keeps for each worker."
        ),
    ] = 1.0,
    gpus: Gpus = "0",
    mem: Mem = None,
    resource: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=AMOUNT", help="A custom resource of the cluster; repeatable."),
    ] = None,
    export: Export = None,
    python: Python = None,
    ray_python: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="A Python with the cluster's Ray (default: this, else that of `ray` on the PATH).",
        ),
    ] = None,
    token_file: TokenFile = None,
    idle: Idle = "30m",
    one_host: OneHost = False,
    dry_run: DryRun = False,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Start a Ray actor for each worker; Ray restarts one that dies, elsewhere if need be."""
    from tuner.cli.render.waiting import waiting
    from tuner.launch import ray as desk
    from tuner.launch import words
    from tuner.launch.order import LaunchOrder
    from tuner.launch.ray_script import RayAsk, write_script

    config = settings()
    gpu_type, gpu_count = words.parse_gpus(gpus)
    if gpu_type is not None:
        raise SpecError(f"--gpus {gpus}: Ray takes a number; name the kind with --resource")
    ask = RayAsk(
        address=screen.one_word("--address", address),
        cpus=cpus,
        memory=None if mem is None else words.parse_memory(mem),
        resources=words.parse_resources(resource or ()),
    )
    order = LaunchOrder(
        name=words.check_name(name),
        workers=workers,
        gpus=gpu_count,
        idle_s=words.parse_idle(idle),
        exports=words.pick_exports(export or (), os.environ),
        python=python or sys.executable,
        token_file=token_file,
        one_host=one_host,
    )
    purpose = screen.purpose(output, dry_run=dry_run)
    interpreter = desk.find_python(ray_python, os.environ) if purpose == "start" else Path("python")
    plan = order.plan(config, os.environ, purpose)
    text = write_script(plan, ask)
    if purpose == "show":
        print_file(text)
    elif output is not None:
        write_new(output, text, is_program=True)
        start = screen.typed(interpreter, output, "start")
        screen.say([("script", str(output)), ("start", f"{start}   (a Python that has Ray)")])
    else:
        script = keep_script(config, f"{plan.name}-ray.py", text)
        with waiting("starting the actors", is_shown=not as_json):
            answer = desk.run_script(interpreter, script, "start", os.environ)
        _say(plan, interpreter, script, answer, as_json=as_json)


def _say(
    plan: Plan, interpreter: Path, script: Path, answer: dict[str, Any], *, as_json: bool
) -> None:
    running, late = answer["running"], answer["waiting"]
    if as_json:
        print_json(
            {
                "name": plan.name,
                "workers": plan.workers,
                "running": sorted(running),
                "waiting": late,
                "script": str(script),
                "stop": [str(interpreter), str(script), "stop"],
            }
        )
        return
    hosts = sorted({str(found["host"]) for found in running.values()})
    where = f" on {', '.join(hosts[:5])}{' and others' if len(hosts) > 5 else ''}" if hosts else ""
    count = "1 actor runs" if len(running) == 1 else f"{len(running)} actors run"
    lines = [("actors", f"{count}{where}, called {plan.name}-0 and on")]
    if late:
        lines.append(("wait", f"{len(late)} for room in the cluster, which starts them then"))
    screen.say(
        [
            *lines,
            ("see", screen.typed(interpreter, script, "list")),
            ("", "tuner workers list"),
            ("stop", screen.typed(interpreter, script, "stop")),
        ]
    )
