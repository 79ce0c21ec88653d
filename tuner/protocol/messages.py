"""The messages between worker and server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from tuner.protocol.form import Message

VERSION = 1
#: The worker's parent process beats this often; an attempt without a beat for `LEASE_S` is lost.
BEAT_S = 5.0
LEASE_S = 20.0
#: Reports of one attempt are posted at most this often; those between are sent together.
REPORT_INTERVAL_S = 0.5

#: The wake-up queue of a device kind is `tuner-<kind>`, that of workers with several devices
#: `tuner-<kind><number>`; workers accept this one task alone.
QUEUE_PREFIX = "tuner-"
WAKE_UP_TASK = "workers.wake.wake_up"

Device = Literal["cpu", "gpu"]
Isolation = Literal["fork", "spawn"]
Outcome = Literal["complete", "pruned", "failed"]
Cause = Literal[
    "lost", "preempted", "rejected", "storage", "oom", "timeout", "diverged", "error", "cancelled"
]
#: What the server wants of a running attempt; `prune` and `cancel` let it end by itself first.
Order = Literal["continue", "prune", "cancel"]
Reproducibility = Literal["off", "seeded", "strict"]

#: A name that may become a path or an identifier (project, study).
NAME_PATTERN = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


@dataclass(frozen=True, kw_only=True)
class Point(Message):
    """One report of a trial: `step` epochs are finished (from 1), the metric stands at `value`."""

    step: int
    value: float | str
    #: Other metrics seen at this step, flat scalars for TensorBoard.
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Found(Message):
    """A parameter that a hypermodel has: met by a trial, or known of the study."""

    #: Ours, a dotted word; in `Assignment.known` that of the search space.
    name: str
    #: The hypermodel's own name. Empty in `Assignment.known`: the user gave the parameter, and no
    #: trial has met it yet.
    source: str
    #: As in a spec: `{type, low, high, step, log, values, value, when}`, `when` in our names.
    #: What the hypermodel says, also where the spec has narrowed it.
    definition: dict[str, Any]
    #: What the trial uses; None: the parameter is not active in it. None in `Assignment.known`.
    value: str | bool | int | float | None = None


@dataclass(frozen=True, kw_only=True)
class WorkerInfo(Message):
    """Who a worker is; sent with every claim and beat."""

    name: str
    host: str
    pid: int
    device: Device = "cpu"
    #: GPU UUID for a pinned device, the first of several, else None.
    device_id: str | None = None
    #: The UUIDs of all its GPUs, at most 8, in their order; of a worker of an earlier release none.
    device_ids: list[str] = field(default_factory=list)
    image: str | None = None
    release: str = ""
    isolation: Isolation = "fork"
    #: SHA-256 of the lock file that its image was built with, as the image says it.
    lock: str | None = None
    #: What `python -m workers measure` says of what is installed here, measured at its start; and
    #: what it said when the image had been built. None: this is no image that was built so.
    files: str | None = None
    files_built: str | None = None
    #: This process, by a number of its own: 32 hexadecimal digits. None, of an earlier release:
    #: host and pid, which containers may share.
    process: str | None = None
    #: The supervisor that has one process at a time under this name, likewise; None: there is none.
    keeper: str | None = None

    @property
    def gpus(self) -> int:
        """How many GPUs it owns; 0 for a worker of the processor."""
        return 0 if self.device == "cpu" else max(1, len(self.device_ids))


@dataclass(frozen=True, kw_only=True)
class Claim(Message):
    """Ask for an attempt. Sent again with the same token, it gets the same answer."""

    #: Made by the worker before it claims: 32 to 64 hexadecimal characters, for this claim alone.
    token: str
    worker: WorkerInfo
    #: How long the server may hold the answer back until there is work, seconds, at most 30.
    wait_s: float = 0.0
    #: `project/study`: an attempt of this study only. Attempts of a study whose objective is
    #: `external` are given to such claims alone.
    study: str | None = None
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Assignment(Message):
    """One attempt of a trial, with everything needed to run it."""

    attempt: str
    study: str
    trial: int
    attempt_no: int
    params: dict[str, Any]
    seed: int
    #: `module:function`, `hypermodel:module:Name`, `command`, or `external`.
    objective: str
    #: Name and goal ("maximize" or "minimize") of each metric, in the study's order.
    metrics: list[dict[str, str]]
    #: Relative to the log root.
    run_dir: str
    #: Relative to the checkpoint root.
    checkpoint_dir: str
    #: SHA-256 of the code snapshot; None when the image holds the code.
    code: str | None = None
    timeout_s: float | None = None
    #: GPUs that the trial owns: those of its worker; 0 on the processor, and of an earlier server.
    devices: int = 0
    reproducibility: Reproducibility = "seeded"
    #: What Keras computes with; None: what the code or the worker's environment says.
    backend: str | None = None
    #: The curve of the predecessor that this attempt continues, in step order.
    curve: list[Point] = field(default_factory=list)
    #: The part of `config.json` that the server knows (spec, distributions, proposal, code, data).
    config: dict[str, Any] = field(default_factory=dict)
    #: Of a hypermodel: the parameters that the study knows.
    known: list[Found] = field(default_factory=list)
    #: Of a hypermodel: `module:function` that returns the arguments of `fit`.
    loader: str | None = None
    #: The texts of the command, `{train.learning_rate}` where a value stands; empty: none.
    command: list[str] = field(default_factory=list)
    lease_s: float = LEASE_S
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Report(Message):
    """Points of one attempt, in step order. Sent again, it changes nothing."""

    token: str
    points: list[Point]
    #: Parameters that the trial has met and that the study did not know.
    found: list[Found] = field(default_factory=list)
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Beat(Message):
    """A worker's sign of life; extends the lease of the attempt it runs."""

    worker: WorkerInfo
    #: `starting` before the imports, so before the first claim; a server of an earlier release
    #: refuses it.
    state: Literal["starting", "idle", "busy", "stopping"]
    attempt: str | None = None
    token: str | None = None
    #: What a self-test has found wrong; empty: it passed; None: none was made.
    self_test: str | None = None
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Reply(Message):
    """The server's answer to a report or a beat."""

    order: Order = "continue"
    #: The worker takes no further attempt and leaves when this one has ended.
    drain: bool = False
    #: The worker is out of service and is to test itself; the result comes with its next beat.
    self_test: bool = False
    #: Why it is drained or out of service, for its log.
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Finish(Message):
    """How an attempt ended. The same body again gets the same answer; another is refused."""

    token: str
    outcome: Outcome
    #: Exact objective(s) in the study's metric order; empty unless the outcome is complete.
    values: list[float | str] = field(default_factory=list)
    #: Everything numeric the objective returned, by name.
    metrics: dict[str, float] = field(default_factory=dict)
    #: Set when the outcome is failed.
    cause: Cause | None = None
    #: Traceback or explanation, last `ERROR_LINES` lines.
    error: str = ""
    #: Reports that were not posted yet.
    points: list[Point] = field(default_factory=list)
    duration_s: float = 0.0
    #: Of the trial's process, if it was reaped: exit status, or minus the signal.
    exit_status: int | None = None
    #: Files below the code folder that the trial has imported: relative, with slashes.
    modules: list[str] = field(default_factory=list)
    #: Parameters that the trial has met and that no report took.
    found: list[Found] = field(default_factory=list)
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Finished(Message):
    """The answer to a finish that was accepted."""

    #: True when this attempt's result became the trial's outcome: only then `objective` is logged.
    is_outcome: bool
    #: The content of `trial.json`, to be written as it is.
    record: dict[str, Any] = field(default_factory=dict)


def queue_name(device: Device, devices: int = 1) -> str:
    """Return the name of the wake-up queue of the workers that own so many devices of a kind.

    A wake-up for one that owns four is not to be taken by one that owns one.
    """
    return QUEUE_PREFIX + device + (str(devices) if devices > 1 else "")
