"""What an importer returns and the database receives: runs, and facts about a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

from tuner.documents.document import JsonObject
from tuner.documents.history import HistoryImport, ImportBegun, ImportDone, ImportOptions, RunsTaken
from tuner.errors import SpecError
from tuner.history.store.cleaning import (
    clean_curves,
    clean_key,
    clean_metrics,
    clean_params,
    clean_text,
)
from tuner.history.store.records import Goal, HistoricTrial, HistoryKind, State
from tuner.space.value import Value

#: "none": a path given by the user, with what was found in it and belongs to no study.
ImportKind = HistoryKind

STATES: tuple[str, ...] = get_args(State)
#: Optuna's words for the states of ended trials, also in `trial.json`.
OUTCOMES: dict[str, State] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "fail"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedRun:
    """A run as it was read."""

    trial: HistoricTrial
    #: Stamp of the files that it was read from: the same stamp, the same run.
    stamp: str
    #: Whether it is unknown if it ended. It counts as ended if no run of its study records an end.
    is_open: bool = False
    #: For a trial of Tuner: its folder and seed, which identify it among all databases.
    run_dir: str | None = None
    seed: int | None = None

    def to_document(self) -> JsonObject:
        """Return the run as JSON values; `from_document` inverts it."""
        trial = self.trial
        return {
            "key": trial.key,
            "stamp": self.stamp,
            "state": "open" if self.is_open else trial.state,
            "cause": trial.cause,
            "params": dict(trial.params),
            "metrics": dict(trial.metrics),
            "curves": {name: [list(p) for p in curve] for name, curve in trial.curves.items()},
            "started": trial.started,
            "finished": trial.finished,
            "run_dir": self.run_dir,
            "seed": self.seed,
        }

    @classmethod
    def from_document(cls, document: JsonObject) -> ImportedRun:
        """Return the run of a document from an untrusted source.

        Raises:
            SpecError: the state is unknown.
        """
        state = document["state"]
        if state != "open" and state not in STATES:
            raise SpecError(f"state: {state!r}: must be one of {', '.join((*STATES, 'open'))}")
        cause = document.get("cause")
        return cls(
            trial=HistoricTrial(
                key=clean_key(document["key"]),
                params=clean_params(document["params"]),
                metrics=clean_metrics(document["metrics"]),
                curves=clean_curves(document["curves"]),
                state="running" if state == "open" else state,
                cause=None if cause is None else clean_text(cause, 16),
                started=document.get("started"),
                finished=document.get("finished"),
            ),
            stamp=clean_text(document["stamp"], 64),
            is_open=state == "open",
            run_dir=document.get("run_dir"),
            seed=document.get("seed"),
        )


@dataclass(frozen=True, kw_only=True)
class Options:
    """The user's options on the metric of an import; usually empty."""

    metrics: tuple[str, ...] = ()
    #: One for each of `metrics`; None: not given.
    goals: tuple[Goal | None, ...] = ()
    reduce: Literal["last", "best"] = "last"

    @property
    def by_name(self) -> dict[str, Goal | None]:
        """The goals by metric name."""
        return dict(zip(self.metrics, self.goals, strict=True))

    def to_json(self) -> ImportOptions:
        """Return the options as JSON values."""
        goals = list(self.goals)
        return {"metrics": list(self.metrics), "goals": goals, "reduce": self.reduce}

    @classmethod
    def from_json(cls, data: ImportOptions) -> Options:
        """Invert `to_json`."""
        return cls(
            metrics=tuple(data["metrics"]), goals=tuple(data["goals"]), reduce=data["reduce"]
        )


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about an imported study, besides its runs."""

    metrics: Mapping[str, Goal | None] = field(default_factory=dict)
    parameters: Sequence[str] = ()
    #: `SearchSpace.to_json`, None if the space is unknown.
    space: JsonObject | None = None
    constants: Mapping[str, Value] = field(default_factory=dict)
    data: str | None = None
    code: str | None = None
    image: str | None = None
    notes: Sequence[str] = ()
    options: ImportOptions = field(default_factory=lambda: Options().to_json())
    #: For a path given by the user: the counts to report if it is unchanged.
    totals: Mapping[str, int] = field(default_factory=dict)
    #: Keys of the studies, of this database or imported, that already have runs of it, which are
    #: therefore not stored again. Known only to the database.
    holds: Sequence[str] = ()

    def to_json(self) -> JsonObject:
        """Return the facts as JSON values; `Facts(**data)` inverts it."""
        return {
            "metrics": dict(self.metrics),
            "parameters": list(self.parameters),
            "space": self.space,
            "constants": dict(self.constants),
            "data": self.data,
            "code": self.code,
            "image": self.image,
            "notes": list(self.notes),
            "options": self.options,
            "totals": dict(self.totals),
            "holds": list(self.holds),
        }


class Ingest(Protocol):
    """The destination of imports: the service over HTTP, or the database itself.

    All methods raise `UnavailableError` if it cannot be reached. An unfinished import is never
    visible; beginning again is harmless.
    """

    def history_imports(self) -> list[HistoryImport]:
        """Return every import with its stamp."""

    def history_runs(self, key: str) -> dict[str, str]:
        """Return the stamp of every run of an imported study by its key; empty if there is none."""

    def history_begin(self, key: str, kind: str, locator: str) -> ImportBegun:
        """Begin an import into the study `key`, existing or new."""

    def history_put(self, number: int, runs: Sequence[JsonObject]) -> RunsTaken:
        """Add runs (`ImportedRun.to_document`) to an import; idempotent."""

    def history_finish(self, number: int, document: JsonObject) -> ImportDone:
        """Put an import in place, atomically.

        Args:
            document: `{stamp, facts, rejected: [{path, reason, count}], own, replace, gone}`;
                `replace` drops earlier runs that did not occur again; `gone` names further ones to
                drop, and may be left out.
        """
