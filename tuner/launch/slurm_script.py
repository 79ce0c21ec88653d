"""The batch script of an array of workers, one per task."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from tuner.launch.container import Container
from tuner.launch.plan import Plan
from tuner.service.answers.wording import count

#: Seconds before the time limit at which a worker is asked to leave: its trial has 10 s to save a
#: checkpoint, and Slurm checks time limits once a minute.
WARN_S = 60
#: Variables of the submitting shell that every program on the nodes may need. Nothing else is
#: passed on: Slurm stores a job's environment where others may see it.
PASSED_ON = ("HOME", "USER", "LOGNAME", "SHELL", "LANG", "PATH", "LD_LIBRARY_PATH", "MODULEPATH")


@dataclass(frozen=True, kw_only=True)
class SlurmAsk:
    """What each worker requests from Slurm; None: the cluster's default."""

    #: Folder of the logs, visible to the nodes.
    logs: Path
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    #: In Slurm's format.
    time: str | None = None
    cpus: int | None = None
    #: Type of the GPUs, of which each worker gets `Plan.gpus`.
    gpu_type: str | None = None
    #: In Slurm's format.
    mem: str | None = None
    #: Additional options of sbatch, one each.
    directives: tuple[str, ...] = ()
    container: Container | None = None


def write_script(plan: Plan, ask: SlurmAsk) -> str:
    """Return the script; `sbatch FILE` submits it without further options."""
    workers = count(plan.workers, "worker")
    lines = [
        "#!/bin/sh",
        f"# {workers} of Tuner for {_url(plan)}: one in each task of a job array.",
        "# Written by `tuner launch slurm`; docs/schedulers.md says what happens when.",
        *(f"#SBATCH {option}" for option in _options(plan, ask)),
        "",
        # Variables of the shell that submits must not reach the workers' trials.
        "unset TUNER_TOKEN TUNER_WORKER_TOKEN",
        *(f"export {name}={shlex.quote(value)}" for name, value in sorted(plan.settings.items())),
        "",
        *_checks(plan, ask),
        "",
        "# The shell makes way for the worker, so that Slurm's signals reach it.",
        f"exec {_command(plan, ask)}",
    ]
    return "\n".join(lines) + "\n"


def _url(plan: Plan) -> str:
    """Return the server's URL in a form safe for a comment."""
    return plan.settings["TUNER_API_URL"].replace("\n", " ")


def _options(plan: Plan, ask: SlurmAsk) -> list[str]:
    gpu = f"{ask.gpu_type}:{plan.gpus}" if ask.gpu_type else str(plan.gpus)
    wanted: list[tuple[str, object]] = [
        ("job-name", plan.name),
        ("array", f"0-{plan.workers - 1}"),
        ("partition", ask.partition),
        ("account", ask.account),
        ("qos", ask.qos),
        ("time", ask.time),
        ("nodes", 1),
        ("ntasks", 1),
        ("cpus-per-task", ask.cpus),
        ("gres", f"gpu:{gpu}" if plan.gpus else None),
        ("mem", ask.mem),
        # After a preemption or the loss of its node, the worker restarts by itself.
        ("requeue", ""),
        ("signal", f"B:TERM@{WARN_S}"),
        ("output", _pattern(ask.logs, f"{plan.name}-%A_%a.log")),
        ("open-mode", "append"),
        ("export", ",".join([*PASSED_ON, *plan.exports])),
    ]
    given = [
        f"--{name}={shlex.quote(str(value))}" if value != "" else f"--{name}"
        for name, value in wanted
        if value is not None
    ]
    return [*given, *ask.directives]


def _pattern(folder: Path, name: str) -> str:
    """Return a path in which Slurm replaces only the name's placeholders."""
    return f"{str(folder).replace('%', '%%')}/{name}"


def _checks(plan: Plan, ask: SlurmAsk) -> list[str]:
    """Return the checks that run before the worker itself can report anything."""
    if ask.container is not None:
        program = ask.container.program
        return [
            f"if ! command -v {program} >/dev/null; then",
            f'    echo "tuner: $(hostname) has no {program}, which --image needs" >&2',
            "    exit 2",
            "fi",
        ]
    return [
        f"python={shlex.quote(plan.python)}",
        'if [ ! -x "$python" ]; then',
        '    echo "tuner: $(hostname) has no $python: name the nodes\' Python with --python" >&2',
        "    exit 2",
        "fi",
    ]


def _command(plan: Plan, ask: SlurmAsk) -> str:
    # The number of restarts is not set on the first start.
    place = "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}-${SLURM_ARRAY_TASK_ID:-0}"
    name = f'"{plan.name}-{place}-${{SLURM_RESTART_COUNT:-0}}"'
    words = [*_python(plan, ask), "-P", "-m", "workers", "run", "--name", name]
    return " ".join([*words, *map(shlex.quote, plan.arguments())])


def _python(plan: Plan, ask: SlurmAsk) -> list[str]:
    if ask.container is None:
        return ['"$python"']
    folders = {name: plan.settings[name] for name in ("TUNER_HOME", "TUNER_LOG_ROOT")}
    binds = [*folders.values(), plan.settings["TUNER_CHECKPOINT_ROOT"]]
    token = str(Path(plan.settings["TUNER_TOKEN_FILE"]).parent)
    words = ask.container.command([*binds, token], has_gpus=plan.gpus > 0)
    return [*map(shlex.quote, words), shlex.quote(plan.python)]
