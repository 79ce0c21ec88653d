"""How many workers are of use, as it is read from the database: by kind, by study, and in all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter

from tuner.documents.demand import WorkerDemand
from tuner.documents.document import JsonObject
from tuner.security.identity import Identity, Scope, calling
from tuner.server.monitoring.metrics import MOST_KINDS, OTHER_IMAGES, wanted_by_kind
from tuner.service.demand.document import SHOWN
from tuner.service.demand.kinds import Like
from tuner.service.demand.reading import Demand
from tuner.spec import parse_spec
from tuner.storage import Storage, open_storage, tables

IMAGE = "team/train@sha256:" + "ab" * 32
OTHER = "team/train@sha256:" + "cd" * 32
LIMITS = {"budget": {"trials": 10}, "parallel": 4}


class Home:
    """A database whose rows a test writes."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.problem: str | None = None
        self.demand = Demand(storage, lambda: self.problem)
        with storage.read() as connection:
            self.now = storage.now(connection)
        self._trials = 0

    def add(self, table: Any, **values: Any) -> None:
        with self.storage.begin() as connection:
            connection.execute(table.insert().values(**values))

    def study(self, study_id: int, name: str = "p/s", **changes: Any) -> None:
        """Add a study; `row` among the changes holds columns that are set as they are."""
        row = changes.pop("row", {})
        project, _, short = name.partition("/")
        spec = parse_spec(
            {
                "project": project,
                "study": short,
                "objective": "toy:train",
                "metric": {"name": "score", "goal": "maximize"},
                "search_space": {"x": {"type": "float", "low": 0.0, "high": 1.0}},
                **LIMITS,
                **changes,
            }
        )
        facts = {
            "id": study_id,
            "project": project,
            "name": short,
            "state": "running",
            "optuna_id": study_id,
            "spec_json": json.dumps(spec.to_json()),
            "identity": "i",
            "seed": 1,
            "device": "gpu" if spec.trial.gpus else "cpu",
            "gpus": spec.trial.gpus,
            "image": spec.image,
            "parallel": spec.parallel,
            "created": self.now,
            "running_since": self.now,
        }
        self.add(tables.studies, **{**facts, **row})

    def trial(self, study_id: int, state: str, attempt: str | None = None, **facts: Any) -> None:
        """Add a trial, and its attempt where there is one; facts are the attempt's."""
        number, self._trials = self._trials, self._trials + 1
        row = {"params_json": "{}", "seed": 1, "proposal_json": "{}", "optuna_id": number}
        trial = {"study_id": study_id, "number": number, "state": state, "created": self.now}
        self.add(tables.trials, **trial, **row)
        if attempt is not None:
            held = {"id": f"s{study_id}-t{number}", "no": 1, "run_dir": "r", "created": self.now}
            at = {"study_id": study_id, "number": number, "state": attempt}
            self.add(tables.attempts, **held, **at, **facts)

    def worker(self, name: str, state: str = "idle", **facts: Any) -> None:
        row = {"host": "h", "pid": 1, "device": "cpu", "first_seen": 0.0, "last_seen": self.now}
        self.add(tables.workers, name=name, state=state, **{**row, **facts})

    def read(self, **like: Any) -> JsonObject:
        found = self.demand.read(Like(**like))
        # What the API promises is what is said.
        assert TypeAdapter(WorkerDemand).validate_python(found) == found
        return found

    def kinds(self, **like: Any) -> dict[tuple[str, int, str | None], JsonObject]:
        kinds = self.read(**like)["kinds"]
        return {(kind["device"], kind["gpus"], kind["image"]): kind for kind in kinds}


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """A database for all tests: to make one costs more than what they ask it."""
    path = tmp_path_factory.mktemp("demand") / "tuner.db"
    storage = open_storage(f"sqlite:///{path}", create=True)
    yield storage
    storage.close()


@pytest.fixture
def home(storage: Storage) -> Home:
    """The database without rows."""
    with storage.begin() as connection:
        for table in (tables.attempts, tables.trials, tables.workers, tables.studies):
            connection.execute(table.delete())
    return Home(storage)


def test_an_empty_service_wants_nobody_and_says_so(home: Home) -> None:
    assert home.read() == {
        "workers_wanted": 0,
        "running": 0,
        "queued": 0,
        "workers": 0,
        "idle": 0,
        "reason": "no study is open",
        "kinds": [],
    }


def test_a_study_without_any_worker_wants_what_it_could_propose(home: Home) -> None:
    home.study(1)
    (kind,) = home.read()["kinds"]

    assert (kind["device"], kind["gpus"], kind["image"]) == ("cpu", 0, None)
    assert (kind["workers_wanted"], kind["running"], kind["queued"]) == (4, 0, 0)
    assert kind["reason"] == "p/s: 4 can be proposed (parallel: 4)"


def test_what_runs_waits_and_is_done_counts_in_the_budget(home: Home) -> None:
    home.study(1)
    for _ in range(6):
        home.trial(1, "complete")
    home.trial(1, "running", "leased")
    home.trial(1, "waiting", "ready")
    home.trial(1, "waiting", "ready", not_before=home.now + 3600)
    found = home.read()

    # 10 trials, 6 done and 3 under way: 1 is left to propose.
    assert (found["running"], found["queued"], found["workers_wanted"]) == (1, 1, 3)
    assert found["reason"] == "p/s: 1 runs, 1 is ready, 1 more can be proposed (budget.trials)"


def test_a_failed_trial_that_does_not_count_leaves_its_place_in_the_budget(home: Home) -> None:
    home.study(1, budget={"trials": 1})
    home.trial(1, "fail")
    with home.storage.begin() as connection:
        connection.execute(tables.trials.update().values(counted=False))

    assert home.read()["workers_wanted"] == 1


def test_kinds_are_told_apart_by_device_number_of_gpus_and_image(home: Home) -> None:
    home.study(1, "p/cpu")
    home.study(2, "p/pinned", image=IMAGE)
    home.study(3, "p/gpu", trial={"gpus": 1})
    home.study(4, "p/four", trial={"gpus": 4}, parallel=2)
    home.worker("a")
    home.worker("b", "busy", image=IMAGE)
    home.worker("c", device="gpu", gpus=4, image=OTHER)
    kinds = home.kinds()

    assert {kind: found["workers"] for kind, found in kinds.items()} == {
        ("cpu", 0, None): 2,
        ("cpu", 0, IMAGE): 1,
        ("gpu", 1, None): 0,
        ("gpu", 4, None): 1,
    }
    assert kinds["gpu", 4, None]["workers_wanted"] == 2
    whole = home.read()
    assert (whole["workers_wanted"], whole["workers"], whole["idle"]) == (14, 3, 2)
    assert whole["reason"] == (
        "p/cpu: 4 can be proposed (parallel: 4); p/pinned: 4 can be proposed (parallel: 4); "
        "and 2 kinds more"
    )


def test_what_one_sort_of_worker_could_run_is_told_alone(home: Home) -> None:
    home.study(1, "p/cpu", parallel=1)
    home.study(2, "p/pinned", image=IMAGE, parallel=2)
    home.study(3, "p/gpu", trial={"gpus": 1}, parallel=3)

    def wanted(**like: Any) -> int:
        return int(home.read(**like)["workers_wanted"])

    assert wanted(device="cpu", gpus=0) == 3
    assert wanted(device="cpu", gpus=0, image="") == 1, "a worker without an image"
    assert wanted(device="cpu", image=IMAGE) == 3
    assert wanted(image=IMAGE.partition("@")[2], device="cpu") == 3, "the digest alone"
    assert wanted(image=OTHER, device="cpu") == 1
    assert wanted(gpus=1) == 3
    assert wanted(gpus=2) == 0


def test_only_workers_that_may_run_trials_count(home: Home) -> None:
    home.study(1)
    home.worker("idle")
    home.worker("busy", "busy")
    home.worker("starting", "starting")
    home.worker("leaves", drain=True)
    home.worker("stops", "stopping")
    home.worker("out", out_reason="no luck")
    home.worker("impostor", image_problem="another image")
    home.worker("silent", last_seen=home.now - 60)
    home.worker("theirs", projects_json='["theirs"]')
    (kind,) = home.read()["kinds"]

    assert (kind["workers"], kind["idle"]) == (3, 1)


def test_a_full_log_root_and_a_pause_want_no_further_worker(home: Home) -> None:
    home.study(1)
    home.trial(1, "running", "leased")
    home.problem = "log root is full"
    assert home.read()["workers_wanted"] == 1
    assert home.read()["reason"] == "p/s: 1 runs; log root is full"

    home.problem = None
    with home.storage.begin() as connection:
        connection.execute(tables.studies.update().values(state="paused", reason="by the user"))
    assert home.read()["reason"] == "p/s: 1 runs; paused (by the user)"


def test_a_token_of_some_projects_sees_their_demand_alone(home: Home) -> None:
    home.study(1, "mine/a", parallel=1)
    home.study(2, "theirs/secret", parallel=2)
    mine = Identity(name="m", scopes=frozenset({Scope.READ}), projects=frozenset({"mine"}))

    with calling(mine):
        found = home.read()
    assert found["workers_wanted"] == 1
    assert "secret" not in json.dumps(found)
    assert home.read()["workers_wanted"] == 3


def test_what_no_worker_executes_wants_no_worker(home: Home) -> None:
    home.study(1, row={"device": "external"})

    assert home.read()["kinds"] == []


def test_the_kind_of_a_study_that_has_just_ended_is_shown_with_0(home: Home) -> None:
    home.study(1, trial={"gpus": 1}, row={"state": "finished", "finished": home.now - 5})
    home.study(2, "p/old", image=IMAGE, row={"state": "finished", "finished": home.now - 7200})
    (kind,) = home.read()["kinds"]

    assert (kind["device"], kind["gpus"], kind["workers_wanted"]) == ("gpu", 1, 0)
    assert kind["reason"] == "no study is open"


def test_a_small_search_space_wants_no_more_workers_than_it_has_configurations(home: Home) -> None:
    space = {"n": {"type": "int", "low": 1, "high": 3}}
    home.study(1, search_space=space, row={"next_number": 2})
    home.study(2, "p/again", search_space=space, row={"next_number": 3, "retry_json": "[0]"})
    wants = {s["study"]: s for kind in home.read()["kinds"] for s in kind["studies"]}

    assert wants["p/s"]["workers_wanted"] == 1
    assert wants["p/s"]["reason"] == "1 can be proposed (its search space has no more)"
    assert wants["p/again"]["workers_wanted"] == 1, "a failed one that is tried again"


def test_a_study_whose_rows_are_damaged_hides_no_other(home: Home) -> None:
    home.study(1, "p/bad", row={"spec_json": "{"})
    home.study(2, "p/odd", row={"gpus": "many", "device": "gpu"})
    home.study(3, "p/good")
    found = home.read()

    assert found["workers_wanted"] == 4
    assert "tuner db check p/bad" in json.dumps(found)


def test_a_kind_lists_the_studies_that_want_most_and_sums_over_all(home: Home) -> None:
    for number in range(1, SHOWN + 4):
        home.study(number, f"p/s{number}", parallel=1 + (number == 50))
    (kind,) = home.read()["kinds"]

    assert kind["workers_wanted"] == SHOWN + 4
    assert kind["studies"][0]["study"] == "p/s50"
    assert (len(kind["studies"]), kind["studies_left_out"]) == (SHOWN, 3)
    assert kind["reason"] == f"{SHOWN + 3} studies: {SHOWN + 4} can be proposed"


def test_the_metrics_have_few_series_however_many_images_there_are() -> None:
    kinds = [
        {"device": "cpu", "gpus": 0, "image": f"i{n}", "workers_wanted": n} for n in range(200)
    ]
    wanted = wanted_by_kind([*kinds, {**kinds[0], "image": None}])

    assert len(wanted) == MOST_KINDS + 1
    assert wanted["cpu", "0", OTHER_IMAGES] == sum(range(200 - MOST_KINDS))
    assert wanted["cpu", "0", "i199"] == 199
    assert wanted.total() == sum(range(200))
