"""A document is a plain dict whose keys and words the type checker knows."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

import tuner.documents
from tests.support.type_checker import check_types
from tuner.documents.document import Document
from tuner.documents.study import CountWord, MetricGoal, StudyWord
from tuner.documents.study_folder import found
from tuner.documents.study_folder.insights import (
    Advice,
    HistorySay,
    ImportanceByMethod,
    ImportanceMethods,
    InsightsDocument,
    MethodImportance,
    MethodShare,
)
from tuner.documents.study_folder.summary import ParameterWord, SummaryDocument, SummaryParameter
from tuner.documents.trial import AttemptWord, LogPiece, TrialWord
from tuner.documents.workers import WorkerWord
from tuner.space.parameter import KINDS
from tuner.trials.states import AttemptState, StudyState, TrialState, WorkerState

#: Lines with the complaint that each must meet; the others must meet none.
LINES: dict[str, str] = {
    'print(status["counts"]["complete"], status.get("fault"))': "",
    'print(status["resaon"])': 'TypedDict "StudyStatus" has no key "resaon"',
    'print(status["state"] == "runing")': "Non-overlapping equality check",
    'print(status["best"]["trial"])': 'Value of type "BestTrial | None" is not indexable',
    'api.status("a/b")["conuts"]': 'TypedDict "StudyStatus" has no key "conuts"',
    'api.show("a/b", 0)["attempt_list"][0]["wroker"]': 'TypedDict "AttemptRow" has no key "wroker"',
    'service.demand()["kinds"][0]["gpu"]': 'TypedDict "DemandKind" has no key "gpu"',
    'tuner.status("a/b")["metric"]': 'TypedDict "StudyStatus" has no key "metric"',
    'tuner.explain("a/b")["sources"][0]["shares"]': 'TypedDict "Source" has no key "shares"',
    'tuner.explain("a/b", 3)["because"][0].upper()': "",
    'worker: WorkerRow = {"name": "w"}': "Missing keys",
    'insights["edges"][0]["try"]': "",
    'insights["importance"]["methods"]["fanova"]["pears"]': (
        'TypedDict "MethodImportance" has no key "pears"'
    ),
    'insights_document(storage, 1)["histry"]': "Value of type",
    'summary["parameters"][0]["hihg"]': 'TypedDict "SummaryParameter" has no key "hihg"',
    'say: HistorySay = {"trial": 1, "share": 0.5, "trust": 1.0, "by_history": True}': "Missing key",
    'range: NextRange = {"low": 1, "high": 2, "log": False, "step": 1}': "Extra key",
    'own.insights.get("history")': "",
    'own.insights.get("histroy")': 'No overload variant of "get"',
    'Report(study={}, insights={"importanec": {}})': "Dict entry 0 has incompatible type",
}
HEAD = """
import tuner
from tuner.board.best_trials.studies.own import OwnStudy
from tuner.board.best_trials.report.document import Report
from tuner.client import ApiClient
from tuner.documents.study_folder.insights import HistorySay, InsightsDocument, NextRange
from tuner.documents.study import StudyStatus
from tuner.documents.study_folder.summary import SummaryDocument
from tuner.documents.workers import WorkerRow
from tuner.service.insights.document import insights_document
from tuner.service.service import Service
from tuner.storage import Storage

def check(
    status: StudyStatus,
    api: ApiClient,
    service: Service,
    insights: InsightsDocument,
    summary: SummaryDocument,
    own: OwnStudy,
    storage: Storage,
) -> None:
"""


@pytest.mark.slow
def test_a_key_or_a_word_that_is_misspelt_is_refused(tmp_path: Path) -> None:
    script = HEAD + "".join(f"    {line}\n" for line in LINES)

    found = check_types(script, tmp_path)

    first = HEAD.count("\n") + 1
    for number, (line, complaint) in enumerate(LINES.items(), first):
        said = found.pop(number, "")
        assert said.startswith(complaint) if complaint else not said, (line, said)
    assert not found


@pytest.mark.parametrize(
    ("words", "states"),
    [
        (StudyWord, StudyState),
        (CountWord, TrialState),
        (AttemptWord, AttemptState),
    ],
)
def test_the_words_of_documents_are_those_of_the_states(words: Any, states: type[Enum]) -> None:
    assert list(get_args(words)) == [state.value for state in states]


def test_a_trial_has_the_words_of_optuna_and_a_worker_two_more() -> None:
    shown = {state.value for state in WorkerState} - {"gone"}

    assert list(get_args(TrialWord)) == [state.value.upper() for state in TrialState]
    assert {*get_args(WorkerWord)} == shown | {"draining", "out of service"}


def test_the_kinds_of_parameters_are_those_of_the_space() -> None:
    assert get_args(ParameterWord) == KINDS


@pytest.mark.parametrize(
    ("keys", "document", "beside"),
    [
        (found.SummaryKey, SummaryDocument, {"updated"}),
        (found.SummaryParameterKey, SummaryParameter, set()),
        (found.MetricKey, MetricGoal, set()),
        (found.InsightsKey, InsightsDocument, {"updated"}),
        (found.ImportanceKey, ImportanceByMethod, set()),
        (found.MethodName, ImportanceMethods, set()),
        (found.MethodKey, MethodImportance, set()),
        (found.MethodShareKey, MethodShare, set()),
        (found.AdviceKey, Advice, set()),
        (found.HistorySayKey, HistorySay, set()),
    ],
)
def test_readers_of_a_file_know_the_keys_that_are_written(
    keys: Any, document: Any, beside: set[str]
) -> None:
    assert {*get_args(keys)} == {*document.__annotations__} | beside


def documents() -> Iterator[Any]:
    for module in pkgutil.walk_packages(tuner.documents.__path__, "tuner.documents."):
        for name, kind in vars(importlib.import_module(module.name)).items():
            if isinstance(kind, type) and kind.__module__ == module.name and name[0] != "_":
                yield pytest.param(kind, id=name)


@pytest.mark.parametrize("document", list(documents()))
def test_the_published_schema_has_every_field_and_no_other(document: Any) -> None:
    schema = TypeAdapter(document).json_schema()

    assert schema["additionalProperties"] is False
    assert schema.get("description"), "what it is"
    assert document is Document or schema["properties"]


def test_a_document_is_the_dict_itself() -> None:
    piece: LogPiece = {"text": "a", "base64": None, "next_offset": 1, "size": 1, "gone": 0}

    assert TypeAdapter(LogPiece).validate_python(piece) == piece
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        TypeAdapter(LogPiece).validate_python({**piece, "lines": 1})
