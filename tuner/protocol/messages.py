"""The messages between worker and server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from tuner.protocol.form import Message

VERSION = 1
#: Seconds between beats of a worker's parent process; without a beat for `LEASE_S`, its attempt is
#: lost.
BEAT_S = 5.0
LEASE_S = 20.0
#: Minimum seconds between two posts of an attempt's reports; those in between are sent together.
REPORT_INTERVAL_S = 0.5

#: Prefix of the wake-up queues: `tuner-<kind>` for a kind of device, `tuner-<kind><number>` for
#: workers with several devices; workers accept only this task from them.
QUEUE_PREFIX = "tuner-"
WAKE_UP_TASK = "workers.wake.wake_up"

Device = Literal["cpu", "gpu"]
Isolation = Literal["fork", "spawn"]
Outcome = Literal["complete", "pruned", "failed"]
Cause = Literal[
    "lost", "preempted", "rejected", "storage", "oom", "timeout", "diverged", "error", "cancelled"
]
#: What the server asks of a running attempt; `prune` and `cancel` let it end by itself first.
Order = Literal["continue", "prune", "cancel"]
Reproducibility = Literal["off", "seeded", "strict"]

#: A name that may become part of a path or an identifier (project, study).
NAME_PATTERN = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


@dataclass(frozen=True, kw_only=True)
class Point(Message):
    """One report of a trial: after `step` epochs (from 1) the metric has the value `value`."""

    step: int
    value: float | str
    #: Other metrics at this step: scalars for TensorBoard.
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Found(Message):
    """A parameter of a hypermodel, as encountered by a trial or known to the study."""

    #: Our name for it, a dotted word; in `Assignment.known`, its name in the search space.
    name: str
    #: The hypermodel's own name. Empty in `Assignment.known` if the user declared the parameter and
    #: no trial has encountered it yet.
    source: str
    #: As in a spec: `{type, low, high, step, log, values, value, when}`, with our names in `when`.
    #: This is what the hypermodel declares, even if the spec has narrowed it.
    definition: dict[str, Any]
    #: The value that the trial uses; None if the parameter is inactive, and in `Assignment.known`.
    value: str | bool | int | float | None = None


@dataclass(frozen=True, kw_only=True)
class WorkerInfo(Message):
    """Who a worker is; sent with every claim and beat."""

    name: str
    host: str
    pid: int
    device: Device = "cpu"
    #: UUID of the GPU, or of the first of several, if pinned; otherwise None.
    device_id: str | None = None
    #: UUIDs of all its GPUs, in order, at most 8; empty from workers of an earlier release.
    device_ids: list[str] = field(default_factory=list)
    image: str | None = None
    release: str = ""
    isolation: Isolation = "fork"
    #: SHA-256 of the lock file that its image was built with, as recorded in the image.
    lock: str | None = None
    #: Output of `python -m workers measure` for the present installation, measured at start; and
    #: the value recorded when the image was built. None if the image was not built that way.
    files: str | None = None
    files_built: str | None = None
    #: Unique id of this process: 32 hexadecimal digits. None from an earlier release, which is
    #: identified by host and pid; containers may share these.
    process: str | None = None
    #: Likewise the id of the supervisor that runs one process at a time under this name; None if
    #: there is none.
    keeper: str | None = None

    @property
    def gpus(self) -> int:
        """Number of GPUs that it owns; 0 for a CPU worker."""
        return 0 if self.device == "cpu" else max(1, len(self.device_ids))


@dataclass(frozen=True, kw_only=True)
class Claim(Message):
    """A request for an attempt. Repeated with the same token, it gets the same answer."""

    #: Created by the worker before it claims: 32 to 64 hexadecimal characters, unique to this
    #: claim.
    token: str
    worker: WorkerInfo
    #: Maximum seconds, up to 30, that the server may delay the answer until there is work.
    wait_s: float = 0.0
    #: `project/study`: restricts the claim to this study. Attempts of a study whose objective is
    #: `external` are given only to such claims.
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
    #: SHA-256 of the code snapshot; None if the image contains the code.
    code: str | None = None
    timeout_s: float | None = None
    #: Number of GPUs that the trial owns: those of its worker; 0 on a CPU, and from an earlier
    #: server.
    devices: int = 0
    reproducibility: Reproducibility = "seeded"
    #: Keras backend; None: left to the code or the worker's environment.
    backend: str | None = None
    #: The curve of the previous attempt that this one continues, in step order.
    curve: list[Point] = field(default_factory=list)
    #: The part of `config.json` that the server knows (spec, distributions, proposal, code, data).
    config: dict[str, Any] = field(default_factory=dict)
    #: For a hypermodel: the parameters that the study knows.
    known: list[Found] = field(default_factory=list)
    #: For a hypermodel: `module:function` that returns the arguments of `fit`.
    loader: str | None = None
    #: The arguments of the command, with placeholders such as `{train.learning_rate}`; may be
    #: empty.
    command: list[str] = field(default_factory=list)
    lease_s: float = LEASE_S
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Report(Message):
    """Points of one attempt, in step order; idempotent."""

    token: str
    points: list[Point]
    #: Parameters that the trial has encountered and that the study did not know yet.
    found: list[Found] = field(default_factory=list)
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Beat(Message):
    """A worker's heartbeat; extends the lease of the attempt it runs."""

    worker: WorkerInfo
    #: `starting` is sent before the imports, so before the first claim; a server of an earlier
    #: release rejects it.
    state: Literal["starting", "idle", "busy", "stopping"]
    attempt: str | None = None
    token: str | None = None
    #: Problem found by a self-test; empty: it passed; None: none was run.
    self_test: str | None = None
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Reply(Message):
    """The server's answer to a report or a beat."""

    order: Order = "continue"
    #: The worker must take no further attempt and exit when this one has ended.
    drain: bool = False
    #: The worker is out of service and must test itself; it sends the result with its next beat.
    self_test: bool = False
    #: Why it is draining or out of service, for its log.
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Finish(Message):
    """How an attempt ended. The same body again gets the same answer; another is refused."""

    token: str
    outcome: Outcome
    #: Exact objective value(s) in the study's metric order; empty unless the outcome is complete.
    values: list[float | str] = field(default_factory=list)
    #: Everything numeric the objective returned, by name.
    metrics: dict[str, float] = field(default_factory=dict)
    #: Set if the outcome is failed.
    cause: Cause | None = None
    #: Traceback or explanation: the last `ERROR_LINES` lines.
    error: str = ""
    #: Reports not yet posted.
    points: list[Point] = field(default_factory=list)
    duration_s: float = 0.0
    #: Exit status of the trial's process, or minus the signal, if the process was reaped.
    exit_status: int | None = None
    #: Files below the code folder that the trial has imported: relative paths with slashes.
    modules: list[str] = field(default_factory=list)
    #: Parameters that the trial has encountered and that were sent with no report.
    found: list[Found] = field(default_factory=list)
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Finished(Message):
    """The answer to an accepted finish."""

    #: Whether this attempt's result became the trial's outcome: only then is `objective` logged.
    is_outcome: bool
    #: The content of `trial.json`, to be written unchanged.
    record: dict[str, Any] = field(default_factory=dict)


def queue_name(device: Device, devices: int = 1) -> str:
    """Return the name of the wake-up queue of workers that own this number of devices of a kind.

    A wake-up for a worker with four devices must not be taken by a worker with one.
    """
    return QUEUE_PREFIX + device + (str(devices) if devices > 1 else "")
