"""The data of an export, read through the API: a study, and its trials page by page.

The trials are first written to disk, so that an exporter can go through them as often as it needs
to, and a study of any size needs little memory.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.exporters.formats import ExportedStudy, ExportedTrial
from tuner.protocol import decode_number

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.service.reading import Reader

    Api = Reader | ApiClient

Document = Mapping[str, Any]
_PAGE = 1_000
_ENDED = ("COMPLETE", "PRUNED", "FAIL")


@dataclasses.dataclass(frozen=True)
class SpooledTrials:
    """Trials in a file, one per line, read again each time."""

    file: Path

    def __iter__(self) -> Iterator[ExportedTrial]:
        with self.file.open(encoding="utf-8") as lines:
            for line in lines:
                fields = json.loads(line)
                curve = tuple((step, value) for step, value in fields.pop("curve"))
                yield ExportedTrial(**fields, curve=curve)


def read_export(api: Api, name: str, file: Path, *, curves: bool) -> tuple[ExportedStudy, int]:
    """Return a study to export, and the number of trials left out because they have not ended.

    Args:
        file: a new file for the trials; it must exist while the study is used.
        curves: whether to read the trials' reports.

    Raises:
        NotFoundError: there is no such study.
    """
    status = api.status(name)
    spec = api.proposals(name, 0, 0)["spec"]
    goals = {metric["name"]: metric["goal"] for metric in status["metrics"]}
    parameters: dict[str, None] = {}
    metrics = dict.fromkeys(goals)
    left_out = 0
    with file.open("x", encoding="utf-8") as lines:
        for document, record in _rows(api, name, records=curves or len(goals) > 1):
            if document["state"] not in _ENDED:
                left_out += 1
                continue
            trial = _trial(document, record, [*goals])
            parameters |= dict.fromkeys(trial.params)
            metrics |= dict.fromkeys(trial.metrics)
            fields = {field.name: getattr(trial, field.name) for field in dataclasses.fields(trial)}
            lines.write(json.dumps(fields) + "\n")
    known = [key for key in spec.get("search_space") or {} if key in parameters]
    study = ExportedStudy(
        name=name,
        state=status["state"],
        created=_seconds(status["created"]),
        goals=goals,
        spec=spec,
        parameters=[*dict.fromkeys([*known, *parameters])],
        metrics=[*metrics],
        trials=SpooledTrials(file),
    )
    return study, left_out


def _rows(api: Api, name: str, *, records: bool) -> Iterator[tuple[Document, Document]]:
    """Yield each trial with the record of its proposal, which has its curve, if requested."""
    offset = 0
    while True:
        page = api.trials(name, None, _PAGE, offset)
        found: Sequence[Document] = ()
        if records and page:
            found = api.proposals(name, offset, _PAGE)["trials"]
        by_number = {record["trial"]: record for record in found}
        for document in page:
            yield document, by_number.get(document["trial"], {})
        offset += len(page)
        if len(page) < _PAGE:
            return


def _trial(document: Document, record: Document, names: Sequence[str]) -> ExportedTrial:
    values = [decode_number(value) for value in record.get("values", ())]
    if not values and document["objective"] is not None:
        values = [document["objective"]]
    own = dict(zip(names, values, strict=False))
    return ExportedTrial(
        number=document["trial"],
        state=document["state"].lower(),
        cause=document["cause"],
        objective=document["objective"],
        params=document["params"],
        metrics={k: v for k, v in {**own, **document["metrics"], **own}.items() if _is_finite(v)},
        curve=[(step, decode_number(value)) for step, value in record.get("curve", ())],
        attempts=document["attempts"],
        started=_seconds(document["started"]),
        finished=_seconds(document["finished"]),
        duration_s=document["duration_s"],
        run_dir=document["run_dir"],
    )


def _is_finite(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)  # type: ignore[arg-type]


def _seconds(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()
