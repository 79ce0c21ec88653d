"""What `optuna_rows` writes is what Optuna's own methods would have written."""

from __future__ import annotations

import contextlib
import datetime
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from tuner.errors import StudyError
from tuner.storage import Storage, open_storage, optuna_rows
from tuner.storage.database import open_optuna
from tuner.storage.optuna_rows import MissingRowsError

STARTED = 1_790_000_000.25
FINISHED = 1_790_000_123.5
DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "train.rate": FloatDistribution(1e-6, 1.0, log=True),
    "train.step": FloatDistribution(0.0, 1.0, step=0.25),
    "train.batch": IntDistribution(0, 3),
    "model.units": IntDistribution(1, 1024, log=True),
    "model.stride": IntDistribution(2, 10, step=4),
    "model.norm": CategoricalDistribution([False, True]),
    "train.optimizer": CategoricalDistribution(["adam", "Größe"]),
    "mixed": CategoricalDistribution([None, 1, 2.5, "1", True]),
}
PARAMS: dict[str, Any] = {
    "train.rate": 3.0000000000000004e-05,
    "train.step": 0.75,
    "train.batch": 2,
    "model.units": 1024,
    "model.stride": 6,
    "model.norm": False,
    "train.optimizer": "Größe",
    "mixed": None,
}
SYSTEM_ATTRS: dict[str, Any] = {
    "nsga2:generation": 3,
    "completed_rung_0": 0.125,
    "text": "Größe \N{SNOWMAN}",
    "nested": {"list": [1, None, True], "empty": {}},
    "long": "x" * 20_000,
}
#: State, values and curve of the trials that are compared.
ENDINGS: list[tuple[TrialState, list[float], dict[int, float]]] = [
    (TrialState.COMPLETE, [0.1 + 0.2], {1: 0.5, 2: 0.1 + 0.2, 10_000_000: -1e-300}),
    (TrialState.COMPLETE, [math.inf], {1: math.inf, 2: -math.inf, 3: math.nan}),
    (TrialState.COMPLETE, [-math.inf], {}),
    (TrialState.PRUNED, [1.7976931348623157e308], {7: 5e-324}),
    (TrialState.PRUNED, [], {1: math.nan}),
    (TrialState.FAIL, [], {1: 0.0, 2: -0.0}),
]


@pytest.fixture(scope="module")
def opened(lasting_url: str) -> Iterator[Storage]:
    storage = open_storage(lasting_url, create=True)
    yield storage
    storage.close()


@pytest.fixture
def storage(opened: Storage) -> Iterator[Storage]:
    yield opened
    with opened.begin() as connection:
        for study in connection.execute(sa.text("SELECT study_id, study_name FROM studies")).all():
            optuna_rows.delete_study(connection, study.study_id, study.study_name)


@pytest.fixture
def reader(storage: Storage) -> Iterator[RDBStorage]:
    """Optuna's storage as another program would open it: with nothing of ours, nothing cached."""
    reader = open_optuna(storage.url)
    yield reader
    reader.remove_session()
    reader.engine.dispose()


def ours(
    storage: Storage, name: str = "vision/ours", goals: tuple[str, ...] = ("maximize",)
) -> int:
    with storage.begin() as connection:
        return optuna_rows.insert_study(connection, name, goals)


def insert(storage: Storage, study: int, number: int = 0, **changes: Any) -> int:
    with storage.begin() as connection:
        encoded = {
            name: (float(d.to_internal_repr(PARAMS[name])), d) for name, d in DISTRIBUTIONS.items()
        }
        wanted = {"params": encoded, "system_attrs": SYSTEM_ATTRS, "started": STARTED}
        return optuna_rows.insert_trial(connection, study, number, **{**wanted, **changes})


def finish(
    storage: Storage, trial: int, state: TrialState, values: list[float], curve: dict[int, float]
) -> None:
    with storage.begin() as connection:
        query = sa.text("SELECT study_id, number FROM trials WHERE trial_id = :trial")
        study, number = connection.execute(query, {"trial": trial}).one()
        optuna_rows.finish_trial(
            connection,
            trial,
            study_id=study,
            number=number,
            state=state,
            values=values,
            intermediate=curve,
            finished=FINISHED,
        )


def by_optuna(storage: RDBStorage, study: int) -> int:
    """Insert the same trial with Optuna's public methods."""
    template = create_trial(
        state=TrialState.RUNNING,
        params=PARAMS,
        distributions=DISTRIBUTIONS,
        system_attrs=SYSTEM_ATTRS,
    )
    template.datetime_start = datetime.datetime.fromtimestamp(STARTED)  # noqa: DTZ006 - Optuna's
    return storage.create_new_trial(study, template_trial=template)


def facts(trial: FrozenTrial) -> dict[str, Any]:
    """Return everything of a trial but its id; NaN becomes text, so that it can be compared."""
    return {
        "number": trial.number,
        "state": trial.state,
        "values": _exact(trial.values or []),
        "params": [(name, type(value), value) for name, value in sorted(trial.params.items())],
        "distributions": trial.distributions,
        "intermediate": {step: repr(v) for step, v in trial.intermediate_values.items()},
        "system_attrs": trial.system_attrs,
        "user_attrs": trial.user_attrs,
        "started": trial.datetime_start,
        "is_finished": trial.datetime_complete is not None,
    }


def _exact(values: list[float]) -> list[str]:
    return [repr(value) for value in values]


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda e: f"{e[0].name}-{e[1]}")
def test_a_trial_reads_as_if_optuna_had_written_it(
    storage: Storage, reader: RDBStorage, ending: tuple[Any, ...]
) -> None:
    state, values, curve = ending
    study = ours(storage)
    theirs = reader.create_new_study([StudyDirection.MAXIMIZE], "vision/theirs")
    finish(storage, insert(storage, study), state, values, curve)
    trial = by_optuna(reader, theirs)
    for step, value in curve.items():
        reader.set_trial_intermediate_value(trial, step, value)
    reader.set_trial_state_values(trial, state, values or None)

    (mine,), (other,) = reader.get_all_trials(study), reader.get_all_trials(theirs)
    assert facts(mine) == facts(other)
    assert mine.duration is not None
    assert mine.duration.total_seconds() == FINISHED - STARTED


def test_a_running_trial_reads_as_if_optuna_had_written_it(
    storage: Storage, reader: RDBStorage
) -> None:
    theirs = reader.create_new_study([StudyDirection.MAXIMIZE], "vision/theirs")
    study = ours(storage)
    insert(storage, study)
    by_optuna(reader, theirs)

    (mine,), (other,) = reader.get_all_trials(study), reader.get_all_trials(theirs)
    assert facts(mine) == facts(other)
    assert mine.state == TrialState.RUNNING


def test_the_rows_themselves_are_the_same(storage: Storage, reader: RDBStorage) -> None:
    study = ours(storage)
    theirs = reader.create_new_study([StudyDirection.MAXIMIZE], "vision/theirs")
    curve = {1: math.nan, 2: math.inf, 3: 0.1}
    finish(storage, insert(storage, study), TrialState.COMPLETE, [math.inf], curve)
    trial = by_optuna(reader, theirs)
    for step, value in curve.items():
        reader.set_trial_intermediate_value(trial, step, value)
    reader.set_trial_state_values(trial, TrialState.COMPLETE, [math.inf])

    for table in (
        "trial_params",
        "trial_values",
        "trial_intermediate_values",
        "trial_system_attributes",
        "study_directions",
    ):
        found = [_rows(storage, table, owner) for owner in (study, theirs)]
        assert found[0] == found[1], table
        assert found[0], table


def test_directions_of_several_metrics_keep_their_order(
    storage: Storage, reader: RDBStorage
) -> None:
    study = ours(storage, goals=("minimize", "maximize", "minimize"))
    finish(storage, insert(storage, study), TrialState.COMPLETE, [3.0, -1.5, math.inf], {})

    names = [direction.name for direction in reader.get_study_directions(study)]
    assert names == ["MINIMIZE", "MAXIMIZE", "MINIMIZE"]
    assert reader.get_all_trials(study)[0].values == [3.0, -1.5, math.inf]


def test_a_second_ending_changes_nothing(storage: Storage, reader: RDBStorage) -> None:
    study = ours(storage)
    trial = insert(storage, study)
    finish(storage, trial, TrialState.COMPLETE, [1.0], {1: 1.0})
    before = reader.get_trial(trial)
    finish(storage, trial, TrialState.COMPLETE, [2.0], {1: 2.0, 2: 2.0})
    finish(storage, trial, TrialState.FAIL, [], {})

    after = open_optuna(storage.url).get_trial(trial)
    assert after == before


def test_attributes_are_replaced_and_others_stay(storage: Storage, reader: RDBStorage) -> None:
    study = ours(storage)
    trial = insert(storage, study)
    with storage.begin() as connection:
        optuna_rows.set_trial_attrs(connection, trial, {"completed_rung_0": 2, "new": [1]})
        optuna_rows.set_study_attrs(connection, study, {"qmc:index": 1, "kept": "yes"})
        optuna_rows.set_study_attrs(connection, study, {"qmc:index": {"deep": None}})
        study_attrs = optuna_rows.study_attrs(connection, study)
        trial_attrs = optuna_rows.trial_attrs(connection, study)

    wanted = {**SYSTEM_ATTRS, "completed_rung_0": 2, "new": [1]}
    assert reader.get_trial_system_attrs(trial) == wanted == trial_attrs[trial]
    expected = {"qmc:index": {"deep": None}, "kept": "yes"}
    assert reader.get_study_system_attrs(study) == expected == study_attrs


def test_optuna_goes_on_with_a_study_that_tuner_wrote(storage: Storage, reader: RDBStorage) -> None:
    import optuna

    study = ours(storage)
    finish(storage, insert(storage, study), TrialState.COMPLETE, [0.5], {})
    loaded = optuna.load_study(study_name="vision/ours", storage=reader)
    trial = loaded.ask(DISTRIBUTIONS)
    loaded.tell(trial, 0.75)

    assert (loaded.best_trial.number, loaded.best_value) == (1, 0.75)
    assert set(loaded.trials[1].params) == set(PARAMS)


def test_deleting_leaves_nothing_behind_and_spares_other_studies(
    storage: Storage, reader: RDBStorage
) -> None:
    gone, kept = ours(storage), ours(storage, "vision/kept")
    for study in (gone, kept):
        finish(storage, insert(storage, study), TrialState.COMPLETE, [0.5], {1: 0.5})
        reader.set_study_user_attr(study, "note", "by hand")
        reader.set_trial_user_attr(insert(storage, study, 1), "note", "by hand")
    before = _counts(storage)
    with storage.begin() as connection:
        assert not optuna_rows.delete_study(connection, gone, "vision/kept"), "another one's"
        assert optuna_rows.delete_study(connection, gone, "vision/ours")

    assert _counts(storage) == {table: count / 2 for table, count in before.items()}
    assert [study.study_name for study in reader.get_all_studies()] == ["vision/kept"]
    assert len(reader.get_all_trials(kept)) == 2


def _rows(storage: Storage, table: str, study: int) -> list[tuple[Any, ...]]:
    """Return the rows of a study without ids, in a fixed order."""
    owned = "study_id = :study"
    if table != "study_directions":
        owned = "trial_id IN (SELECT trial_id FROM trials WHERE study_id = :study)"
    with storage.read() as connection:
        query = sa.text(f"SELECT * FROM {table} WHERE {owned}")  # noqa: S608 - names of this file
        found = connection.execute(query, {"study": study}).mappings().all()
    ids = {"study_id", "trial_id", "param_id", "trial_value_id"}
    ids |= {"trial_intermediate_value_id", "trial_system_attribute_id", "study_direction_id"}
    return sorted(
        tuple((key, repr(value)) for key, value in row.items() if key not in ids) for row in found
    )


def _counts(storage: Storage) -> dict[str, int]:
    tables = [name for name in sa.inspect(storage.reader).get_table_names() if "tuner" not in name]
    with storage.read() as connection:
        return {
            name: connection.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608
            for name in tables
            if name not in ("alembic_version", "version_info", "trial_heartbeats")
        }


def test_a_number_that_was_given_once_is_not_given_again(storage: Storage) -> None:
    first = ours(storage, "vision/first")
    trial = insert(storage, first)
    with storage.begin() as connection:
        # As a user's script deletes it, while rows of ours still refer to it.
        optuna_rows.delete_study(connection, first, "vision/first")
        refer = "INSERT INTO tuner_studies (project, name, state, reason, optuna_id, spec_json,"
        refer += (
            " identity, seed, device, priority, next_number, told, filed, retry_json, revision,"
        )
        refer += " created, active_s, git_json, modules_json) VALUES ('vision', 'first', 'running',"
        refer += " '', :study, '{}', '', 1, 'cpu', 0, 1, 0, -1, '[]', 0, 0, 0, 'null', '[]')"
        refer += " RETURNING id"
        own = connection.execute(sa.text(refer), {"study": first}).scalar_one()
        row = {"own": own, "trial": trial}
        of_it = "INSERT INTO tuner_trials (study_id, number, state, params_json, git_json, seed,"
        of_it += " proposal_json, optuna_id, error, counted, created)"
        of_it += " VALUES (:own, 0, 'fail', '{}', 'null', 1, '{}', :trial, '', true, 0)"
        connection.execute(sa.text(of_it), row)
    second = ours(storage, "vision/second")
    other = insert(storage, second)
    with storage.begin() as connection:
        connection.execute(sa.text("DELETE FROM tuner_trials"))
        connection.execute(sa.text("DELETE FROM tuner_studies"))

    assert second > first
    assert other > trial


def test_a_number_whose_leftovers_are_still_there_is_not_given_again(tmp_path: Path) -> None:
    # PostgreSQL leaves nothing behind, and gives no number twice.
    path = tmp_path / "tuner.db"
    with contextlib.closing(open_storage(f"sqlite:///{path}", create=True)) as storage:
        trial = insert(storage, ours(storage, "vision/first"))
        with contextlib.closing(sqlite3.connect(path)) as script, script:
            # As a user's script does it: SQLite leaves what belongs to the trials.
            script.execute("DELETE FROM trials")

        assert insert(storage, ours(storage, "vision/second")) > trial


def test_a_study_of_somebody_else_is_not_taken_for_ours(
    storage: Storage, reader: RDBStorage
) -> None:
    reader.create_new_study([StudyDirection.MINIMIZE], "vision/ours")

    with pytest.raises(StudyError, match="a study 'vision/ours' that Tuner has not made; delete"):
        ours(storage)


def test_what_was_deleted_in_optunas_tables_is_noticed(storage: Storage) -> None:
    study = ours(storage)
    trial = insert(storage, study)
    with storage.begin() as connection:
        optuna_rows.require_study(connection, study, "vision/ours")
        with pytest.raises(MissingRowsError, match="its number there is now that of 'vision/ours'"):
            optuna_rows.require_study(connection, study, "vision/theirs")
        with pytest.raises(MissingRowsError, match="is gone: it was deleted there"):
            optuna_rows.require_study(connection, study + 1, "vision/ours")
        with pytest.raises(MissingRowsError, match="its trial 3 is not in Optuna's tables"):
            optuna_rows.finish_trial(
                connection,
                trial,
                study_id=study,
                number=3,
                state=TrialState.FAIL,
                values=[],
                intermediate={},
                finished=FINISHED,
            )
