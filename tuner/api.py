"""Tuner from Python: the verbs of the command line, for notebooks and scripts."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, overload

from tuner.local import open_reader, start_api
from tuner.refusal import CodeChoice
from tuner.settings import Settings, load_settings

if TYPE_CHECKING:
    from tuner.documents.explanations.explanation import Explanation
    from tuner.documents.explanations.trial_explanation import TrialExplanation
    from tuner.documents.study import StudyStatus
    from tuner.documents.submission import Submitted
    from tuner.documents.trial import TrialRow
    from tuner.spec import StudySpec

#: Studies in these states continue without further action.
ACTIVE = ("running", "stopping")


def submit(
    spec: StudySpec | str | os.PathLike[str],
    *,
    code: CodeChoice | None = None,
    name: str | None = None,
) -> Submitted:
    """Submit a study; if no local service is running, one is started and keeps running.

    Args:
        spec: a file, whose folder's code is included, or a `StudySpec` whose code is installed
            where the workers run.
        code: if the study has other code: continue with the `old`, or run the `new` from now on.
        name: a name for the study that replaces the one in the spec file.

    Returns:
        `{study, state, created, changes}`; resubmitting the same spec returns the same study.
        `not_taken` is there if files of the folder differ from those that its trials continue with.

    Raises:
        SpecError: the spec is wrong.
        ChangedError: the study exists and differs in something that belongs to its identity.
        SetupError: the service cannot start here, or the server speaks another protocol.
        UnavailableError: the configured server does not answer.
    """
    from tuner.local.submission import make_submission

    settings = _settings()
    if isinstance(spec, str | os.PathLike):
        submission = make_submission(Path(spec), settings, name=name, use_code=code)
        with start_api(settings, os.environ) as api:
            return submission.send(api)
    with start_api(settings, os.environ) as api:
        if spec.lists_paths:
            from tuner.local.listed_history import import_listed

            import_listed(spec, api)
        named = spec if name is None else spec.model_copy(update={"study": name})
        return api.submit(named.to_json(), use_code=code)


def status(study: str) -> StudyStatus:
    """Return `{study, state, reason, counts, best, workers, budget, …}` of `project/study`."""
    with open_reader(_settings()) as api:
        return api.status(study)


def best(study: str, n: int = 10, *, all: bool = False) -> list[TrialRow]:
    """Return the best trials, best first; with several metrics, the Pareto front.

    Args:
        study: `project/study`.
        n: maximum number of trials.
        all: include PRUNED trials after these, then FAIL.
    """
    with open_reader(_settings()) as api:
        return api.best(study, n, all=all)


@overload
def explain(study: str, trial: None = None) -> Explanation: ...
@overload
def explain(study: str, trial: int) -> TrialExplanation: ...
def explain(study: str, trial: int | None = None) -> Explanation | TrialExplanation:
    """Return what a study gained from history, or why one trial was proposed.

    Args:
        study: `project/study`.
        trial: the trial's number; None: the whole study.
    """
    with open_reader(_settings()) as api:
        return api.explain(study) if trial is None else api.explain_trial(study, trial)


def watch(study: str, *, interval_s: float = 1.0) -> Iterator[StudyStatus]:
    """Yield the study's status whenever it has changed, until it is no longer active."""
    last: StudyStatus | None = None
    with open_reader(_settings()) as api:
        while True:
            now = api.status(study)
            if now != last:
                last = now
                yield now
            if now["state"] not in ACTIVE:
                return
            time.sleep(interval_s)


def _settings() -> Settings:
    return load_settings(os.environ)
