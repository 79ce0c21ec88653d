"""Options that both targets of `tuner launch` have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Workers = Annotated[
    int, typer.Option("--workers", metavar="N", min=1, max=1024, help="How many workers.")
]
Name = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="What the job or the actors, their logs and the workers are called."
    ),
]
Gpus = Annotated[
    str,
    typer.Option(
        metavar="[TYPE:]N",
        help="GPUs of each worker, as many as trial.gpus; with Slurm also a100:2.",
    ),
]
Mem = Annotated[
    str | None, typer.Option(metavar="SIZE", help="Memory of each worker, as 16G or 500M.")
]
Export = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="A variable of this shell that the workers get too; no secret, others may see it. "
        "Again for another.",
    ),
]
Python = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="Python of the nodes with Tuner's workers (default: this)."),
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
        metavar="TIME", help="A worker leaves after so long without a trial; none: it stays."
    ),
]
OneHost = Annotated[
    bool,
    typer.Option("--one-host", help="The cluster is this machine alone: its own service will do."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the script; make, ask and start nothing.")
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Write the script to a new file instead."),
]
