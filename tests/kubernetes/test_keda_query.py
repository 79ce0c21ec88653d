"""The query that KEDA asks, on a real PostgreSQL: how many pods it wants, in every state."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from tests.kubernetes.keda import Keda, keda_of, query_for
from tests.support.history.database import make_spec
from tests.support.servers import PostgresServer
from tuner.service.demand.kinds import Like
from tuner.service.demand.reading import Demand
from tuner.service.service import Service
from tuner.settings import load_settings
from tuner.spec import parse_spec
from tuner.storage import Storage, open_storage, tables

DIGEST = "sha256:" + "a" * 64
IMAGE = f"registry.example/trainer@{DIGEST}"
OTHER = f"registry.example/trainer@sha256:{'b' * 64}"
ATTEMPT_STATES = ("ready", "leased", "done", "lost", "failed", "cancelled", "revoked")
TRIAL_STATES = ("waiting", "running", "complete", "pruned", "fail")


class Scene:
    """Studies as rows. Mutable: it is added to."""

    def __init__(self, storage: Storage, keda: Keda, home: Path) -> None:
        self.storage = storage
        self.keda = keda
        self._service = Service(storage, load_settings({"TUNER_HOME": str(home)}))

    def study(self, name: str, *, trials: int | None = 10, **facts: Any) -> int:
        """Submit a study; return its id. `facts` are keys of its spec."""
        budget = {"hours": 1} if trials is None else {"trials": trials}
        spec = parse_spec(make_spec(name, **{"budget": budget, **facts}))
        self._service.submit(spec.to_json())
        s = tables.studies
        with self.storage.read() as connection:
            found = connection.execute(sa.select(s.c.id).where(s.c.name == name)).scalar_one()
            return int(found)

    def set_study(self, study: int, **values: Any) -> None:
        """Change the row of a study."""
        self._execute(tables.studies.update().where(tables.studies.c.id == study).values(**values))

    def trial(self, study: int, number: int, state: str, **values: Any) -> None:
        """Add a trial."""
        row = {"params_json": "{}", "seed": 0, "proposal_json": "{}", "optuna_id": -1, "created": 0}
        key = {"study_id": study, "number": number, "state": state}
        self._execute(tables.trials.insert().values(**(row | key | values)))

    def attempt(self, study: int, number: int, state: str, *, no: int = 1, **values: Any) -> None:
        """Add an attempt."""
        row = {"run_dir": "r", "created": 0.0, "id": f"s{study}-t{number}-a{no}"}
        key = {"study_id": study, "number": number, "no": no, "state": state}
        self._execute(tables.attempts.insert().values(**(row | key | values)))

    def live(self, study: int, number: int, state: str, **values: Any) -> None:
        """Add a trial that an attempt in this state executes, or is to execute."""
        self.trial(study, number, "running" if state == "leased" else "waiting")
        self.attempt(study, number, state, **values)

    def wanted(self, *, image: str = IMAGE, gpus: int = 0) -> int:
        """Return how many pods KEDA would have, with workers of this image and GPUs."""
        return self.keda.ask(query_for("nvidia", image=image, gpus=gpus))

    def _execute(self, statement: sa.Executable) -> None:
        with self.storage.begin() as connection:
            connection.execute(statement)


@pytest.fixture(scope="module")
def tables_and_user(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """The tables, made once, and KEDA's user."""
    with postgres_server.fresh_database() as url:
        storage = open_storage(url, create=True)
        try:
            with keda_of(url) as keda:
                yield Scene(storage, keda, tmp_path_factory.mktemp("home"))
        finally:
            storage.close()


@pytest.fixture
def scene(tables_and_user: Scene) -> Scene:
    """No study yet."""
    with tables_and_user.storage.begin() as connection:
        connection.exec_driver_sql(
            "TRUNCATE tuner_studies, tuner_trials, tuner_attempts, studies CASCADE"
        )
    return tables_and_user


def test_nothing_to_do_is_nobody(scene: Scene) -> None:
    assert scene.wanted() == 0


def test_each_attempt_counts_by_its_state(scene: Scene) -> None:
    study = scene.study("a", trials=7)
    states = dict.fromkeys(ATTEMPT_STATES, 0)
    for number, state in enumerate(ATTEMPT_STATES):
        # All seven trials are used up or at work: nothing more can be proposed.
        scene.trial(study, number, "running" if state in ("ready", "leased") else "complete")
        before = scene.wanted()
        scene.attempt(study, number, state)
        states[state] = scene.wanted() - before

    # Of a trial that nobody has proposed yet, one is wanted as well: it is taken off for each.
    assert states == dict.fromkeys(ATTEMPT_STATES, 0) | {"ready": 1, "leased": 1}
    assert scene.wanted() == 2


@pytest.mark.parametrize(
    ("state", "wanted"),
    [("waiting", 0), ("running", 0), ("complete", 0), ("pruned", 0), ("fail", 0)],
)
def test_a_budget_of_one_is_used_up_by_a_trial_in_any_state(
    scene: Scene, state: str, wanted: int
) -> None:
    study = scene.study("a", trials=1)
    assert scene.wanted() == 1
    scene.trial(study, 0, state)

    assert scene.wanted() == wanted


def test_a_trial_that_does_not_count_leaves_its_place_in_the_budget(scene: Scene) -> None:
    study = scene.study("a", trials=1)
    scene.trial(study, 0, "fail", counted=False)

    assert scene.wanted() == 1


def test_without_any_worker_the_first_pods_are_for_what_could_be_proposed(scene: Scene) -> None:
    scene.study("a", trials=5)
    scene.study("b", trials=50, parallel=2)

    assert scene.wanted() == 5 + 2


def test_parallel_caps_what_runs_waits_and_could_be_proposed(scene: Scene) -> None:
    study = scene.study("a", trials=50, parallel=3)
    scene.live(study, 0, "leased")
    scene.live(study, 1, "ready")
    assert scene.wanted() == 3
    scene.set_study(study, parallel=1)

    assert scene.wanted() == 1, "what runs stays; what waits is held back"


@pytest.mark.parametrize("state", ["paused", "stopping"])
def test_a_study_that_starts_nothing_keeps_the_pods_that_run(scene: Scene, state: str) -> None:
    study = scene.study("a", trials=50)
    scene.live(study, 0, "leased")
    scene.live(study, 1, "ready")
    scene.set_study(study, state=state)

    assert scene.wanted() == 1


@pytest.mark.parametrize("state", ["finished", "failed", "cancelled"])
def test_a_study_that_has_ended_wants_nobody(scene: Scene, state: str) -> None:
    scene.set_study(scene.study("a", trials=50), state=state)

    assert scene.wanted() == 0


def test_a_retry_that_has_to_wait_wants_nobody_yet(scene: Scene) -> None:
    study = scene.study("a", trials=1)
    scene.live(study, 0, "ready", no=2, not_before=time.time() + 3600)
    assert scene.wanted() == 0
    scene.live(scene.study("b", trials=1), 0, "ready", no=2, not_before=time.time() - 1)

    assert scene.wanted() == 1


def test_only_studies_of_the_device_the_gpus_and_the_image_count(scene: Scene) -> None:
    for name, facts in {
        "cpu": {},
        "gpu": {"trial": {"gpus": 1}},
        "gpus": {"trial": {"gpus": 4}},
        "pinned": {"image": IMAGE},
        "another": {"image": OTHER},
    }.items():
        scene.study(name, trials=1, **facts)

    assert scene.wanted(gpus=0) == 2, "cpu and pinned"
    assert scene.wanted(gpus=1) == 1
    assert scene.wanted(gpus=2) == 0
    assert scene.wanted(gpus=4) == 1
    assert scene.wanted(image=OTHER) == 2, "cpu and another"


def test_a_study_of_an_earlier_release_that_wants_a_gpu_wants_one(scene: Scene) -> None:
    study = scene.study("a", trials=1, trial={"gpus": 1})
    scene.set_study(study, gpus=None)

    assert scene.wanted(gpus=1) == 1


def test_a_study_that_scripts_execute_wants_no_pod(scene: Scene) -> None:
    scene.study("a", trials=5, objective="external")

    assert scene.wanted() == 0


def test_hours_that_are_over_want_nobody_more(scene: Scene) -> None:
    study = scene.study("a", trials=None)
    assert scene.wanted() > 8
    scene.live(study, 0, "leased")
    scene.set_study(study, running_since=time.time() - 3700)

    assert scene.wanted() == 1


def test_a_hypermodel_whose_parameters_are_not_known_yet_is_tried_once(scene: Scene) -> None:
    spec = {"objective": None, "hypermodel": "m:Model", "search_space": {}}
    given = {key: value for key, value in make_spec("a", **spec).items() if value is not None}
    scene._service.submit(parse_spec({**given, "budget": {"trials": 9}}).to_json())

    assert scene.wanted() == 1


def test_the_query_wants_what_the_server_says_is_wanted(scene: Scene) -> None:
    """Of studies with every mixture of budget, `parallel`, state, attempts and ended trials."""
    chance = random.Random(13)
    for number in range(24):
        fill(scene, f"s{number}", chance)
    demand = Demand(scene.storage)
    said: dict[tuple[str, int], int] = {}
    for gpus in (0, 1, 2, 3):
        for image in (IMAGE, OTHER):
            like = Like(device="gpu" if gpus else "cpu", gpus=gpus, image=image)
            said[image, gpus] = demand.read(like)["workers_wanted"]

    assert {kind: scene.wanted(image=kind[0], gpus=kind[1]) for kind in said} == said
    assert len(set(said.values())) > 3, "the mixture tells nothing apart"


def fill(scene: Scene, name: str, chance: random.Random) -> None:
    """Add a study as chance has it."""
    budget = chance.choice([1, 3, 20, None])
    given = {
        "parallel": chance.choice([None, 1, 4]),
        "image": chance.choice([None, IMAGE, OTHER]),
        "trial": {"gpus": chance.choice([0, 0, 1, 2])},
    }
    facts = {key: value for key, value in given.items() if value is not None}
    study = scene.study(name, trials=budget, **facts)
    for number in range(min(chance.randrange(4), budget or 9)):
        what = chance.choice(["leased", "ready", "waits", *TRIAL_STATES[2:]])
        if what in TRIAL_STATES:
            scene.trial(study, number, what, counted=chance.random() < 0.7)
        else:
            later = time.time() + 3600 if what == "waits" else 0.0
            scene.live(study, number, what.replace("waits", "ready"), not_before=later)
    scene.set_study(study, state=chance.choice(["running", "running", "paused", "stopping"]))
    if chance.random() < 0.2:
        scene.set_study(study, running_since=time.time() - 3700)


def test_kedas_user_reads_what_the_query_needs_and_changes_nothing(scene: Scene) -> None:
    scene.study("a", trials=1)
    scene.wanted()

    for statement in (
        "SELECT * FROM tuner_studies",
        "SELECT seed FROM tuner_studies",
        "SELECT digest FROM tuner_tokens",
        "SELECT content FROM tuner_snapshots",
        "SELECT token FROM tuner_attempts",
        "SELECT params_json FROM tuner_trials",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            scene.keda.connection.execute(statement.encode())
    for statement in ("DELETE FROM tuner_trials", "UPDATE tuner_studies SET state = 'paused'"):
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            scene.keda.connection.execute(statement.encode())
