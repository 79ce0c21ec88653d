"""Options that both targets of `tuner launch` have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Workers = Annotated[
    int, typer.Option("--workers", metavar="N", min=1, max=1024, help="Number of workers.")
]
Name = Annotated[
    str,
    typer.Option(metavar="NAME", help="Name of the job or the actors, their logs and the workers."),
]
Gpus = Annotated[
    str,
    typer.Option(
        metavar="[TYPE:]N",
        help="GPUs of each worker: the number in trial.gpus; with Slurm also a100:2.",
    ),
]
Mem = Annotated[
    str | None, typer.Option(metavar="SIZE", help="Memory of each worker, such as 16G or 500M.")
]
Export = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="A variable of this shell to pass to the workers; no secrets, others may see it; "
        "repeatable.",
    ),
]
Python = Annotated[
    str | None,
    typer.Option(
        metavar="PATH", help="Python on the nodes that has Tuner's workers (default: this one)."
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The workers' token, a file that the nodes see (default: TUNER_TOKEN_FILE).",
    ),
]
Idle = Annotated[
    str,
    typer.Option(
        metavar="TIME", help="Stop a worker after this time without a trial; none: never."
    ),
]
OneHost = Annotated[
    bool,
    typer.Option("--one-host", help="The cluster is this machine alone: use its own service."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the script; create, ask and start nothing.")
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Write the script to a new file instead."),
]
