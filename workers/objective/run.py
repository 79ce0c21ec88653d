"""An objective's view of its trial: `Run`. It also works by hand, without any service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner.roots import Place
from workers.objective.numbers import as_float, as_metrics, as_step, describe
from workers.objective.session import (
    NoService,
    Session,
    TrialCancelled,
    TrialPreempted,
    TrialPruned,
    TrialStopped,
)
from workers.objective.task import Task

__all__ = ["Params", "Run", "TrialCancelled", "TrialPreempted", "TrialPruned", "TrialStopped"]


class Params(dict[str, Any]):
    """The trial's parameters; a missing name raises an error that lists the existing ones."""

    def __missing__(self, name: str) -> Any:
        known = ", ".join(sorted(self)) or "none"
        raise KeyError(f"no parameter {name!r} in this trial; it has: {known}")


class Run:
    """One trial, as its objective sees it.

    Attributes:
        params: parameters by name; those whose condition does not hold are absent.
        seed: of this trial; a retry has the same one.
        trial: number within the study, from 0.
        attempt: 1 for the first execution of the trial.
        logdir: folder of this attempt; files written there are kept with the trial.
        devices: UUIDs of the GPUs that the trial owns, `trial.gpus` of them, in the order in which
            its process sees them; empty on the CPU.
    """

    def __init__(
        self,
        *,
        params: Mapping[str, Any],
        seed: int,
        trial: int,
        session: Session,
        logdir: Path,
        checkpoints: Place,
        devices: Sequence[str] = (),
        task: Task | None = None,
    ) -> None:
        self.params = Params(params)
        self.seed = seed
        self.trial = trial
        self.attempt = session.attempt_no
        self.logdir = logdir
        self.devices = list(devices)
        self.session = session
        self.checkpoints = checkpoints
        #: The input of the trial's process; None when run by hand.
        self.task = task
        self._folder: object = None

    @classmethod
    def local(cls, params: Mapping[str, Any], seed: int = 0, devices: int = 0) -> Run:
        """Return a run for calling an objective by hand.

        Its folders are temporary and are deleted with the object; reports are ignored, and nothing
        is pruned.

        Args:
            devices: number of devices to use; they are named by index, and the framework decides
                which ones they are (`CUDA_VISIBLE_DEVICES`, or substitutes on the CPU).
        """
        import tempfile

        folder = tempfile.TemporaryDirectory(prefix="tuner-run-")
        root = Path(folder.name)
        run = cls(
            params=params,
            seed=seed,
            trial=0,
            session=Session(link=NoService()),
            logdir=root / "logs",
            checkpoints=Place(root, "checkpoints"),
            devices=[str(index) for index in range(devices)],
        )
        run.logdir.mkdir()
        run._folder = folder
        return run

    @property
    def checkpoint_dir(self) -> Path:
        """Folder that all attempts of this trial share, on every host; created on first access."""
        self.checkpoints.open(make=True).close()
        return self.checkpoints.path

    def report(self, step: int, value: Any, **metrics: Any) -> None:
        """Report that `step` epochs are finished and the metric's value is `value`.

        Waits at most 0.1 s for the service's decision, which otherwise comes with a later report.

        Args:
            step: from 1, increasing with every report of this attempt, at most 10 000 000.
            value: of the study's (first) metric; any real number. NaN is passed on unchanged.
            metrics: further numbers for TensorBoard.

        Raises:
            TrialPruned: others do better at this step.
            TrialCancelled: the user or the time limit ends the trial.
            TrialPreempted: the worker must leave.
            TypeError: a value is not a number.
            ValueError: a step does not increase, or a message cannot hold it: a step above 10 000
                000, a metric's name longer than 300 characters.
        """
        number = as_float(value)
        if number is None:
            raise TypeError(f"report: value must be a number, not {describe(value)}")
        self.session.raise_if_stopped()
        self.session.report(as_step(step), number, as_metrics(metrics))
        self.session.raise_if_stopped()

    def keras_callback(
        self,
        metric: str | None = None,
        checkpoint_every_s: float = 60.0,
        *,
        needs_metric: bool = True,
    ) -> Any:
        """Return a Keras callback that does everything the service requires of a training.

        It reports each epoch, ends pruned, cancelled and preempted trainings, writes checkpoints
        and continues from the newest one if this attempt has a predecessor. Pass it to `fit`.

        Args:
            metric: name in Keras' logs; by default the study's first metric.
            checkpoint_every_s: minimum time between two checkpoints, in seconds.
            needs_metric: whether an epoch whose logs lack the metric is an error; otherwise it is
                not reported.
        """
        from workers.objective.keras_callback import make_callback

        name = metric or (self.session.metrics[0]["name"] if self.session.metrics else None)
        return make_callback(
            self.session,
            self.checkpoints,
            metric=name,
            every_s=checkpoint_every_s,
            needs_metric=needs_metric,
            # When run by hand it trains on whatever is available.
            devices=self.devices if self.task is not None else (),
        )
