"""What is known about a study from its first trial on: the number of trials, and history's share.

The rest takes seconds and needs more trials: see `document`.
"""

from __future__ import annotations

from tuner.documents.study_folder.insights import InsightsDocument
from tuner.service.insights.advice import advise
from tuner.service.insights.form import empty
from tuner.service.insights.past import history_over_trials
from tuner.service.insights.sample import LEAST, Sample, read_sample
from tuner.storage import Storage
from tuner.trials.store.studies import read_study


def early_document(storage: Storage, study_id: int) -> InsightsDocument | None:
    """Return the insights of a study with fewer than `LEAST` results; None: no such study.

    It reads some rows and computes nothing.
    """
    begun = begin(storage, study_id)
    if begun is None:
        return None
    sample, document = begun
    return {**document, "advice": advise(sample, document)}


def begin(storage: Storage, study_id: int) -> tuple[Sample, InsightsDocument] | None:
    """Return a study's trials, and its insights without importance and advice."""
    with storage.read() as connection:
        study = read_study(connection, study_id)
        if study is None:
            return None
        sample = read_sample(connection, study)
        history = history_over_trials(connection, study.id, sample.spec)
    why = f"not known before {LEAST} trials have a result"
    return sample, {**empty(sample.spec.name, why), "trials": len(sample), "history": history}
