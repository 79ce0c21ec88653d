"""Optuna's journal files: replayed by Optuna itself, from a backend that never writes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Never

from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial
from typing_extensions import override

from tuner.errors import SpecError
from tuner.history.importers.optuna.trials import (
    METRIC_NAMES,
    OptunaConverter,
    trial_key,
    trial_stamp,
)
from tuner.history.store.imported import OUTCOMES, Facts, ImportedRun, ImportKind, Options
from tuner.history.store.records import Rejection
from tuner.roots import open_named

#: Maximum size: Optuna replays a journal into memory, at about ten times its size.
MAX_BYTES = 256 << 20


class _ReadOnlyFile(BaseJournalBackend):
    """The complete lines of a journal; the last one may be written only in part."""

    def __init__(self, path: Path) -> None:
        self._path = path
        #: Why reading stopped at a line, if it did.
        self.note = ""

    @override
    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        logs: list[dict[str, Any]] = []
        with open_named(self._path) as file:
            for number, line in enumerate(file, start=1):
                log = _parse(line)
                if log is None:
                    self.note = f"the journal is damaged from line {number} on"
                    break
                logs.append(log)
        return logs[log_number_from:]

    @override
    def append_logs(self, logs: list[dict[str, Any]]) -> Never:
        raise PermissionError("a journal that is imported is not written to")


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        log = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return log if isinstance(log, dict) else None


def open_journal(path: Path) -> list[OptunaJournalStudy]:
    """Return the studies of a journal.

    Raises:
        SpecError: the file is too large, or is not an Optuna journal.
        OSError: it cannot be read.
    """
    with open_named(path) as opened:
        size = os.fstat(opened.fileno()).st_size
    if size > MAX_BYTES:
        raise SpecError(f"{path}: has {size} bytes; journals of at most {MAX_BYTES} are read")
    try:
        file = _ReadOnlyFile(path)
        storage = JournalStorage(file)
        studies = storage.get_all_studies()
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as exc:
        raise SpecError(f"{path}: is damaged: it is not an Optuna journal") from exc
    return [OptunaJournalStudy(path, storage, study, file.note) for study in studies]


class OptunaJournalStudy:
    """A study of a journal."""

    kind: ImportKind = "optuna"
    whole = False
    gone: frozenset[str] = frozenset()

    def __init__(self, path: Path, storage: JournalStorage, study: Any, note: str) -> None:
        self.name: str = study.study_name
        self.locator = f"{path}#{self.name}"
        self._study = study
        self._note = note
        self._storage = storage
        self._trials: dict[str, FrozenTrial] = {}
        self._converter: OptunaConverter | None = None

    def stamps(self) -> Mapping[str, str]:
        """See `FoundStudy`."""
        number = self._storage.get_study_id_from_name(self.name)
        trials = self._storage.get_all_trials(number, deepcopy=False)
        self._trials = {trial_key(trial.number): trial for trial in trials}
        return {
            key: trial_stamp(trial.state.name, trial.datetime_complete)
            for key, trial in self._trials.items()
        }

    def read(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        """See `FoundStudy`."""
        self._converter = self._make_converter(options)
        for key in keys:
            trial = self._trials[key]
            if trial.state.name in OUTCOMES:
                yield self._converter.run(trial, trial.state.name)
            else:
                reason = "was never started" if trial.state.name == "WAITING" else "has not ended"
                yield Rejection(path=f"{self.locator}, trial {trial.number}", reason=reason)

    def facts(self, options: Options) -> Facts:
        """See `FoundStudy`."""
        found = (self._converter or self._make_converter(options)).facts()
        return replace(found, notes=[*found.notes, *([self._note] if self._note else [])])

    def distributions(self) -> Mapping[str, BaseDistribution]:
        """Return the distributions of the trials that were read, by parameter name."""
        return {} if self._converter is None else self._converter.distributions

    def _make_converter(self, options: Options) -> OptunaConverter:
        return OptunaConverter(
            [direction.name for direction in self._study.directions],
            self._study.system_attrs.get(METRIC_NAMES),
            self._study.user_attrs,
            options,
        )
