"""How long it takes to find and map a large history for a new study."""

from __future__ import annotations

import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.figure import Figure
from tests.support.history.database import HistoryDatabase, complete, history_database, make_spec
from tests.support.spaces import MIXED
from tuner.history import HistoryStore
from tuner.history.choosing.finding import find
from tuner.history.matching.mapping import map_study
from tuner.space.encoding import Encoding
from tuner.spec import StudySpec, parse_spec
from tuner.storage import tables

STUDIES = 1000
TRIALS = 100


def measure() -> list[Figure]:
    """Fill a database with studies of this service, and look through it for a new one."""
    spec = parse_spec(make_spec("new", search_space=MIXED))
    with tempfile.TemporaryDirectory() as folder, history_database(Path(folder)) as base:
        _fill(base, spec)
        store = HistoryStore(base.storage)
        cache: dict[object, Any] = {}
        first, found = _timed(lambda: find(store, spec, cache=cache))
        again, _ = _timed(lambda: find(store, spec, cache=cache))
        study = store.load("vision/s0")
        encoding = Encoding(spec.space)
        mapping, _ = _timed(
            lambda: [map_study(study, encoding, "score", "maximize") for _ in range(100)]
        )
    used = sum(receipt.used for receipt in found.receipts)
    note = f"{used} trials of {len(found.sources)} studies, SQLite"
    return [
        Figure(name="find: first look", value=first, unit="s", limit=10.0, note=note),
        Figure(name="find: look again", value=again, unit="s", limit=1.0, note="nothing is new"),
        Figure(name="map one study", value=mapping * 10, unit="ms", limit=5.0, note="100 trials"),
    ]


def _timed(work: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _fill(base: HistoryDatabase, spec: StudySpec) -> None:
    encoding = Encoding(spec.space)
    params = [encoding.decode(point) for point in encoding.sample(4096, 0)]
    source = random.Random(0)
    text = json.dumps(spec.to_json())
    with base.storage.begin() as connection:
        for index in range(STUDIES):
            row = {
                "project": "vision",
                "name": f"s{index}",
                "state": "finished",
                "optuna_id": index,
                "spec_json": text,
                "identity": "",
                "seed": 0,
                "device": "cpu",
                "created": 0.0,
            }
            inserted = connection.execute(
                tables.studies.insert().values(row).returning(tables.studies.c.id)
            )
            study_id = inserted.scalar_one()
            rows = [
                {
                    **complete(source.choice(params), source.random(), started=float(number)),
                    "study_id": study_id,
                    "number": number,
                    "optuna_id": -1,
                }
                for number in range(TRIALS)
            ]
            connection.execute(tables.trials.insert(), rows)
