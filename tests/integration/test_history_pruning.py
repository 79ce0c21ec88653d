"""Pruning by history, on a real server: bad trials end early, and users are told why."""

from __future__ import annotations

import contextlib
import io
import json
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.integration.cause_fleet import open_fleet
from tests.integration.pruning_trials import EPOCHS, height
from tests.support.protocol_worker import Held
from tests.support.service_process import TOKEN, ServiceProcess
from tests.support.study_lab import Lab
from tuner.cli.commands.replay import replay_study
from tuner.cli.render import output
from tuner.cli.render.study.pruning import print_pruning
from tuner.cli.render.trial.page import print_trial
from tuner.client import ApiClient
from tuner.history.store.imported import Facts, ImportedRun
from tuner.history.store.records import HistoricTrial

MakeService = Callable[..., AbstractContextManager[ServiceProcess]]

TRIALS = 20
DATA = "d" * 64
SPACE = {
    "x": {"type": "float", "low": 0.0, "high": 1.0},
    "epochs": {"type": "fixed", "value": EPOCHS},
}
PRUNER = {"name": "history", "confidence": 0.8}


def points(x: float, upto: int = EPOCHS) -> list[dict[str, Any]]:
    return [{"step": step, "value": height(x, step)} for step in range(1, upto + 1)]


def submit(lab: Lab, data: str | None = None, **changes: Any) -> Lab:
    spec = lab.spec(**{"search_space": SPACE, "budget": {"trials": TRIALS}, **changes})
    lab.service.post("/studies", {"spec": spec, "data": data})
    return lab


def teach(service: ServiceProcess) -> None:
    """Run a study whose trials end as they began, each step reported, and import others."""
    lab = submit(Lab(service), DATA, sampler={"name": "random", "seed": 1})

    def whole(held: Held) -> float:
        held.report_points(points(held.params["x"]))
        return height(held.params["x"], EPOCHS)

    worker = lab.worker()
    lab.run(worker, whole)
    worker.close()
    with ApiClient(service.url, TOKEN) as api:
        for name in ("one", "two", "three"):
            imported(api, name)


def imported(api: ApiClient, name: str) -> None:
    """Import a study of 40 trials, as the importers hand them over."""
    place = random.Random(name)
    trials = []
    for number in range(40):
        x = place.random()
        curve = tuple((point["step"], point["value"]) for point in points(x))
        trial = HistoricTrial(
            key=str(number),
            params={"x": x, "epochs": EPOCHS},
            metrics={"score": height(x, EPOCHS)},
            curves={"score": curve},
        )
        trials.append(ImportedRun(trial=trial, stamp=trial.key).to_document())
    number = api.history_begin(name, "hparams", f"/logs/{name}")["number"]
    api.history_put(number, trials)
    facts = Facts(parameters=["x", "epochs"], metrics={"score": "maximize"}, data=DATA)
    rest = {"stamp": name, "facts": facts.to_json(), "rejected": [], "own": 0, "replace": True}
    api.history_finish(number, rest)


@pytest.fixture(scope="module")
def taught(make_service: MakeService) -> Iterator[ServiceProcess]:
    """A server with earlier studies, all on the same data."""
    with make_service("sqlite") as service:
        teach(service)
        yield service


def explain(lab: Lab, trial: int | None = None) -> dict[str, Any]:
    with ApiClient(lab.service.url, TOKEN) as api:
        return api.explain(lab.study) if trial is None else api.explain_trial(lab.study, trial)


def shown(print_it: Callable[[Console], None]) -> str:
    page = io.StringIO()
    print_it(Console(file=page, width=400, no_color=True, theme=output._THEME))
    return page.getvalue()


def test_real_trainings_are_stopped_by_history_and_say_why(taught: ServiceProcess) -> None:
    bad, good = [0.01, 0.02, 0.03], [0.97, 0.98, 0.99]
    with open_fleet(taught) as fleet:
        lab = Lab(taught)
        lab.image = fleet.image
        submit(
            lab,
            DATA,
            objective="pruning_trials:train",
            pruner=PRUNER,
            start_with=[{"x": x} for x in (good[0], *bad, *good[1:])],
            budget={"trials": 6},
            parallel=2,
        )
        fleet.start("one")
        fleet.start("two")
        lab.wait_closed()
        trials = lab.trials()
        by_x = {round(trial["params"]["x"], 2): trial for trial in trials}
        assert [by_x[x]["state"] for x in good] == ["COMPLETE"] * 3
        stopped = [trial for trial in trials if trial["state"] == "PRUNED"]
        assert stopped, "one of the first four"
        assert min(trial["trial"] for trial in stopped) <= 3
        check_stop(lab, stopped[0]["trial"])
        lab.close()


def check_stop(lab: Lab, number: int) -> None:
    detail = lab.show(number)
    stop = detail["stop"]
    assert stop["text"].startswith(f"stopped by history at epoch {stop['step']} of {EPOCHS}: ")
    assert "that stood so, " in stop["text"]
    assert "in the best half" in stop["text"]
    assert stop["step"] < EPOCHS
    (event,) = [event for event in detail["events"] if event["kind"] == "trial-stopped"]
    assert stop["text"] in event["text"]
    assert explain(lab, number)["stop"] == stop
    record = json.loads(next(record_paths(lab, number)).read_text())
    assert record["stop"] == stop


def record_paths(lab: Lab, number: int) -> Iterator[Path]:
    folder = lab.service.home / "logs" / "faults" / lab.name
    pattern = f"trial_{number:05d}-*/trial.json"
    lab.wait(lambda: list(folder.glob(pattern)), "the record is written")
    return folder.glob(pattern)


class Told:
    """What the server answered to the reports of a study."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.worker = lab.worker()
        self.orders: list[list[str]] = []

    def train(self, upto: int = EPOCHS) -> str:
        """Train the next trial; return how it ended."""
        held = self.worker.claim()
        answers: list[str] = []
        for point in points(held.params["x"], upto):
            answers.append(held.report_points([point]).json()["order"])
            if answers[-1] == "prune":
                break
        self.orders.append(answers)
        if answers[-1] == "prune":
            assert held.pruned().status_code == 200
            return "PRUNED"
        held.complete(height(held.params["x"], EPOCHS))
        return "COMPLETE"


def prepared(service: ServiceProcess, **changes: Any) -> Lab:
    lab = Lab(service)
    data = changes.pop("data", DATA)
    seeded = {"sampler": {"name": "random", "seed": 3}, "parallel": 1, "pruner": PRUNER}
    return submit(lab, data, **{**seeded, "budget": {"trials": 12}, **changes})


def test_the_summary_counts_what_was_stopped_saved_and_audited(taught: ServiceProcess) -> None:
    lab = prepared(taught, budget={"trials": 30}, sampler={"name": "bayesian", "seed": 1})
    told = Told(lab)
    ends = [told.train() for _ in range(30)]
    lab.wait_closed()
    pruning = explain(lab)["pruning"]

    assert pruning["stopped"] == ends.count("PRUNED") > 0
    assert pruning["receipt"]["left_out"] == {}
    assert pruning["summary"].endswith("4 studies, 4 of them on the same data inform pruning")
    trained = sum(len(answers) for answers in told.orders)
    assert pruning["saved"]["trained"] == trained
    assert pruning["saved"]["epochs"] == EPOCHS * 30 - trained
    assert pruning["audited"] == len(pruning["trials"]) - pruning["stopped"]
    assert pruning["audited_wrong"] == 0
    page = shown(lambda console: print_pruning(console, pruning))
    assert "an estimate" in page
    number = next(i for i, end in enumerate(ends) if end == "PRUNED")
    assert f"trial {number}  stopped at epoch" in page
    detail = lab.show(number)
    metrics = lab.status()["metrics"]
    trial_page = shown(
        lambda console: print_trial(console, lab.study, detail, metrics, log_root=Path("/logs"))
    )
    assert detail["stop"]["text"] in trial_page
    with ApiClient(taught.url, TOKEN) as api:
        verdicts = {result.verdict for _, result in replay_study(api, lab.study)}
    assert verdicts == {"same"}, "what was pruned can be proposed again"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"history": "none"}, "prunes nothing: history is none"),
        ({"metric": {"name": "loss", "goal": "minimize"}}, "prunes nothing: "),
        ({"history": [{"study": "STUDY", "weight": 0}]}, "prunes nothing: "),
    ],
    ids=["none", "nothing found", "vetoed"],
)
def test_without_history_it_prunes_nothing_and_says_so(
    taught: ServiceProcess, changes: dict[str, Any], says: str
) -> None:
    if isinstance(changes.get("history"), list):
        with ApiClient(taught.url, TOKEN) as api:
            known = [study["key"] for study in api.history()]
        own = [{"study": key, "weight": 0} for key in known if "/" in key]
        paths = [{"path": f"/logs/{key}", "weight": 0} for key in known if "/" not in key]
        changes = {"history": [*own, *paths, "auto"]}
    lab = prepared(taught, **changes)
    lab.wait(lambda: explain(lab)["pruning"]["receipt"], "the history is looked at")
    told = Told(lab)

    assert [told.train() for _ in range(12)] == ["COMPLETE"] * 12
    pruning = explain(lab)["pruning"]
    assert pruning["summary"].startswith(says)
    assert (pruning["stopped"], pruning["trust"]) == (0, None)


def test_the_same_is_decided_after_a_restart(make_service: MakeService) -> None:
    def decided(*, restart: bool) -> list[list[str]]:
        with make_service("sqlite") as service:
            teach(service)
            lab = prepared(service)
            lab.wait(lambda: explain(lab)["pruning"]["receipt"], "the history is looked at")
            told = Told(lab)
            for number in range(12):
                if restart and number in (3, 6):
                    service.kill_and_start()
                told.train()
            with contextlib.suppress(AssertionError):
                lab.close()
            return told.orders

    plain = decided(restart=False)
    assert ["prune"] in [answers[-1:] for answers in plain]
    assert decided(restart=True) == plain
