"""A worker as the document that users see."""

from __future__ import annotations

from tuner.documents.workers import WorkerRow, WorkerWord
from tuner.service.answers.times import iso
from tuner.trials.kinds import owned_gpus
from tuner.trials.states import WorkerState
from tuner.trials.store.listings.listed_workers import ListedWorker
from tuner.trials.worker import Worker

_WORDS: dict[WorkerState, WorkerWord] = {
    WorkerState.STARTING: "starting",
    WorkerState.IDLE: "idle",
    WorkerState.BUSY: "busy",
    WorkerState.STOPPING: "stopping",
}


def worker_document(listed: ListedWorker) -> WorkerRow:
    """Return an undamaged worker row as a document, with what it runs."""
    worker = listed.worker
    return {
        "name": worker.name,
        "host": worker.host,
        "pid": worker.pid,
        "device": worker.device,
        "device_id": worker.device_id,
        "gpus": owned_gpus(worker),
        "state": _state(worker),
        "reason": _reason(worker),
        "out_since": iso(worker.out_since) if worker.out_reason else None,
        "study": listed.study,
        "trial": listed.trial,
        "attempt": listed.attempt,
        "last_seen": iso(worker.last_seen),
        "image": worker.image,
        "lock": worker.lock,
        "files": worker.files,
        "image_verified": worker.image_verified,
        "image_problem": worker.image_problem,
        "release": worker.release,
    }


def _state(worker: Worker) -> WorkerWord:
    if worker.drain:
        return "draining"
    return "out of service" if _reason(worker) else _WORDS[worker.state]


def _reason(worker: Worker) -> str:
    """Return why a worker is leaving or gets no trials; empty if neither."""
    if worker.drain:
        return worker.drain_reason or "drained by a user"
    return worker.image_problem or worker.out_reason
