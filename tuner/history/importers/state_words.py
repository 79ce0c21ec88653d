"""Other tools' words for the states of runs, in any spelling: `TrialState.FAIL`, `In progress`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tuner.history.store.records import State

#: Names of columns that may hold them, in plain form.
COLUMNS = frozenset(
    (
        *("state", "status", "outcome", "trialstate", "trialstatus", "runstate", "runstatus"),
        *("jobstate", "jobstatus", "trainingjobstatus", "statename"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Word:
    """The meaning of a word: the state of an ended run, and its cause if the word says one.

    `state` is "running" for a run that has not ended.
    """

    state: State
    cause: str | None = None


_WORDS: dict[Word, str] = {
    # Optuna, Ray, MLflow, W&B, SageMaker, Vertex AI, NNI, Katib, Ax, Azure ML, Slurm, ClearML
    Word(state="complete"): (
        "complete completed finish finished succeeded succeed success successful done ok terminated"
        " passed ended published"
    ),
    Word(state="pruned"): "pruned stopped earlystopped earlystop stoppedearly halted",
    Word(state="fail"): "fail failed failure crash crashed nodefail metricsunavailable",
    Word(state="fail", cause="error"): "error errored exception",
    Word(state="fail", cause="diverged"): "diverged infeasible invalid nan",
    Word(state="fail", cause="oom"): "oom outofmemory",
    Word(state="fail", cause="timeout"): "timeout timedout",
    Word(state="fail", cause="preempted"): "preempted evicted",
    Word(state="fail", cause="cancelled"): (
        "killed kill cancelled canceled aborted abandoned usercanceled usercancelled syscanceled"
        " syscancelled interrupted deleted"
    ),
    Word(state="running"): (
        "running waiting pending queued created scheduled inprogress starting started paused"
        " preempting stopping initializing suspended notstarted requested active preparing"
        " provisioning finalizing cancelrequested new candidate staged unknown"
    ),
}
_BY_WORD = {word: meaning for meaning, words in _WORDS.items() for word in words.split()}


def plain(text: str) -> str:
    """Return a word in the form for comparisons: lower case, letters only."""
    # An Enum member is written with its class.
    return re.sub(r"[^a-z]", "", text.strip().rpartition(".")[2].lower())


def read_word(text: str) -> Word | None:
    """Return the meaning of a word, None if it is unknown."""
    return _BY_WORD.get(plain(text))


def are_words(texts: Iterable[str]) -> bool:
    """Whether a column with these distinct texts holds states: most of them are known."""
    found = [read_word(text) is not None for text in texts]
    return bool(found) and 2 * sum(found) >= len(found)
