"""Every command by name. To add one: its module in `tuner/cli/commands/`, and its line here.

An entry is all that the list of commands shows, so that printing the list imports no command.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.registry.extension import Extension
from tuner.registry.registry import Registry

#: The sections of the list, in order; commands of packages have a section of their own.
ONE = "Tune on this machine"
SERVE = "Run as a service"
LOOK = "Look at studies"
CHANGE = "Change studies"
ADDED = "Of installed packages"


@dataclass(frozen=True, kw_only=True)
class Command(Extension):
    """An entry in the table of commands; a package may add one, too.

    `make` is the command itself: a function with Typer's parameters, whose docstring is its help;
    `says` is the first sentence of that.

    Args:
        section: its section in the list of commands.
        examples: what to type, without the program's name.
    """

    section: str = ADDED
    examples: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Group:
    """Commands that share their first word.

    Args:
        section: their section in the list of commands.
        says: what they are about, as a sentence.
    """

    section: str
    says: str


def _at(where: str, section: str, says: str, *examples: str) -> Command:
    make = f"tuner.cli.commands.{where}"
    return Command(make=make, section=section, says=says, examples=examples)


#: By the first word.
GROUPS: dict[str, Group] = {
    "workers": Group(section=SERVE, says="The worker processes, each of which owns one device."),
    "launch": Group(
        section=SERVE, says="Workers on a cluster that somebody else's scheduler owns."
    ),
    "token": Group(
        section=SERVE, says="Tokens of the API: what others may do here, and for how long."
    ),
    "db": Group(section=SERVE, says="The database."),
    "history": Group(
        section=LOOK, says="Earlier runs, of Tuner's and of others, that new studies learn from."
    ),
}
#: By what is typed.
_BUILT_IN: dict[str, Command] = {
    "run": _at(
        "run:run",
        ONE,
        "Run a study on this machine, with live progress.",
        "run study.yaml",
        "run study.yaml --workers 4",
    ),
    "check": _at(
        "check:check",
        ONE,
        "Check a spec, its code and its objective: one real trial, up to its first report.",
        "check study.yaml",
        "check study.yaml --points 0",
    ),
    "board": _at(
        "board:board",
        ONE,
        "Open TensorBoard on the best trials of a study, until Ctrl-C.",
        "board",
        "board vision/cnn --port 6007",
        "board ./runs",
    ),
    "init": _at(
        "init:init",
        ONE,
        "Write a first study from a ready search space, or a deployment; overwrite nothing.",
        "init cnn digits",
        "init compose team --host tuner.example",
    ),
    "spaces": _at(
        "spaces:spaces",
        ONE,
        "List the ready search spaces; with NAME, show one: its ranges, their reasons and sources.",
        "spaces",
        "spaces transformer",
    ),
    "convert": _at(
        "convert:convert",
        ONE,
        "Convert another tool's search to a spec: W&B, Katib, Ray Tune, Optuna, KerasTuner.",
        "convert sweep.yaml -o study.yaml",
        "convert optuna.db#mnist",
    ),
    "submit": _at(
        "submit:submit",
        SERVE,
        "Submit a study to the service.",
        "submit study.yaml",
        "submit study.yaml --watch --fail-under 0.92 --timeout 2h",
    ),
    "serve": _at(
        "serve:serve",
        SERVE,
        "Run the API and the coordinator in the foreground, until Ctrl-C or `tuner down`.",
        "serve",
        "serve --host 0.0.0.0 --tls-cert tuner.crt --tls-key tuner.key",
    ),
    "down": _at(
        "serve:down",
        SERVE,
        "Stop the workers and the service of this machine; `serve` or `run` resume later.",
        "down",
    ),
    "doctor": _at(
        "doctor:doctor",
        SERVE,
        "Check everything that Tuner depends on, and say what is wrong and what to do.",
        "doctor",
    ),
    "workers up": _at(
        "workers:up",
        SERVE,
        "Start worker processes on this host; they stay until `tuner down`.",
        "workers up -n 4",
        "workers up --gpus-per-worker 2",
    ),
    "workers scale": _at(
        "workers:scale",
        SERVE,
        "Set the number of workers on this host; workers that are stopped save a checkpoint first.",
        "workers scale 8",
    ),
    "workers autoscale": _at(
        "autoscale:autoscale",
        SERVE,
        "Start workers on this host when studies can use them, and stop them when none can.",
        "workers autoscale --max 8",
    ),
    "workers list": _at(
        "workers:list_workers",
        SERVE,
        "List the workers that the service has heard from recently.",
        "workers list",
    ),
    "workers demand": _at(
        "demand:demand",
        SERVE,
        "Say how many workers the studies could use now, of which kind, and why.",
        "workers demand --device gpu",
    ),
    "workers drain": _at(
        "workers:drain",
        SERVE,
        "Let a worker finish its trial and leave.",
        "workers drain gpu-host-1",
    ),
    "workers test": _at(
        "workers:test",
        SERVE,
        "Have a worker test itself now; if it passes, one that is out of service is used again.",
        "workers test gpu-host-1",
    ),
    "launch slurm": _at(
        "launch:slurm",
        SERVE,
        "Submit a job array to Slurm, a worker in each task; preempted workers start again.",
        "launch slurm --workers 8 --partition gpu --gpus 1 --time 4h",
    ),
    "launch ray": _at(
        "launch_ray:ray",
        SERVE,
        "Start a Ray actor for each worker; Ray restarts one that dies, elsewhere if need be.",
        "launch ray --workers 8 --gpus 1",
    ),
    "token create": _at(
        "token:create",
        SERVE,
        "Create a token and print it once: nobody can show it again.",
        "token create ci --scope submit --project vision --expires 30d -o ci-token",
        "token create hosts --scope work | vault kv put secret/tuner token=-",
    ),
    "token list": _at(
        "token:list_tokens",
        SERVE,
        "List the tokens, newest first, with what each may do and when it was last used.",
        "token list",
    ),
    "token revoke": _at(
        "token:revoke",
        SERVE,
        "Revoke a token: within a second, no server accepts it any more.",
        "token revoke ci",
    ),
    "db upgrade": _at(
        "database:upgrade",
        SERVE,
        "Upgrade the database to this release; create it if there is none.",
        "db upgrade",
    ),
    "db backup": _at(
        "database:backup",
        SERVE,
        "Write the whole database to a file while studies run, and verify the file.",
        "db backup tuner.backup",
    ),
    "db restore": _at(
        "database:restore",
        SERVE,
        "Put a backup into an empty database; with --force, in place of everything.",
        "db restore tuner.backup --check",
    ),
    "db check": _at(
        "database_check:check",
        SERVE,
        "List what is inconsistent in the database; a service may keep using it.",
        "db check",
        "db check vision/cnn --repair",
    ),
    "list": _at("read:list_studies", LOOK, "List the studies, newest first.", "list"),
    "status": _at(
        "read:status",
        LOOK,
        "Show the state, the counts and the best of a study.",
        "status",
        "status vision/cnn --json",
    ),
    "best": _at(
        "read:best",
        LOOK,
        "List the best trials; of a study with several metrics, the Pareto front.",
        "best vision/cnn -n 3",
        "best vision/cnn --all-params",
    ),
    "show": _at(
        "read:show",
        LOOK,
        "Show one trial: parameters, result, attempts, reports and events.",
        "show vision/cnn best",
        "show vision/cnn 17",
    ),
    "logs": _at(
        "read:logs",
        LOOK,
        "Print what a trial wrote to standard output and error.",
        "logs vision/cnn 17 --follow",
    ),
    "watch": _at(
        "submit:watch", LOOK, "Show the progress of a study until it is over.", "watch vision/cnn"
    ),
    "events": _at(
        "read:events",
        LOOK,
        "List what happened to a study, oldest first.",
        "events vision/cnn -n 20",
    ),
    "explain": _at(
        "explain:explain",
        LOOK,
        "Show what a study learnt from history and what that gained, or why a trial was proposed.",
        "explain vision/cnn",
        "explain vision/cnn best",
    ),
    "replay": _at(
        "replay:replay",
        LOOK,
        "Make every proposal of a study again from its record; exit 1 if one comes out different.",
        "replay vision/cnn",
    ),
    "report": _at(
        "report:report",
        LOOK,
        "Write a study as one HTML file that you can mail, keep and print.",
        "report vision/cnn -o cnn.html",
    ),
    "export": _at(
        "export:export",
        LOOK,
        "Write the trials of a study for other tools: CSV, JSON, MLflow, W&B.",
        "export csv vision/cnn",
        "export mlflow vision/cnn -o mlruns",
    ),
    "history add": _at(
        "history:add",
        LOOK,
        "Import runs of TensorBoard, KerasTuner, Optuna, MLflow, W&B, Neptune, other homes; CSV.",
        "history add ktdir",
        "history add sqlite:///optuna.db#mnist",
        "history add runs.csv --metric val_loss --goal min",
    ),
    "history list": _at(
        "history:list_history",
        LOOK,
        "List the studies that new ones can learn from: Tuner's own and imported ones.",
        "history list --rejected",
    ),
    "history remove": _at(
        "history:remove",
        LOOK,
        "Forget an imported study; keep the files that it came from.",
        "history remove 3f2a9c",
    ),
    "pause": _at(
        "change:pause",
        CHANGE,
        "Start no new trials; let the running ones finish.",
        "pause vision/cnn",
    ),
    "resume": _at("change:resume", CHANGE, "Resume a paused study.", "resume vision/cnn"),
    "stop": _at(
        "change:stop",
        CHANGE,
        "End a study before its budget is used; let the running trials finish.",
        "stop vision/cnn --now",
    ),
    "cancel": _at(
        "change:cancel",
        CHANGE,
        "Cancel a study with its running trials, or one trial.",
        "cancel vision/cnn",
        "cancel vision/cnn 17",
    ),
    "retry": _at(
        "change:retry",
        CHANGE,
        "Run the failed trials of a study again, as new trials with the same parameters.",
        "retry vision/cnn",
        "retry vision/cnn --spec study.yaml",
    ),
    "edit": _at(
        "edit:edit",
        CHANGE,
        "Change budget, history, parallel, pruner, priority and trial limits of a study.",
        "edit vision/cnn budget.trials=200 parallel=8",
        "edit vision/cnn pruner=asha",
    ),
    "delete": _at(
        "change:delete",
        CHANGE,
        "Delete a study: its trials, logs and checkpoints.",
        "delete vision/cnn",
    ),
}
#: Each is a function as Typer takes it. Packages add commands, but not to a group.
COMMANDS = Registry(
    noun="command", group="tuner.commands", built_in=_BUILT_IN, reserved=tuple(GROUPS)
)


def command(name: str) -> Command:
    """Return a command; raises as `Registry.find` does."""
    found = COMMANDS.find(name)
    return found if isinstance(found, Command) else Command(make=found.make, says=found.says)
