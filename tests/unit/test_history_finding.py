"""What the whole history gives a new study, and why the rest gives nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.history.database import (
    METRIC,
    SPACE,
    HistoryDatabase,
    complete,
    grid,
    history_database,
    make_spec,
)
from tests.support.history.historic import historic_trial
from tests.support.history.lab import DATA, open_lab
from tuner.history import HistoricTrial
from tuner.history.choosing.finding import FoundHistory, find
from tuner.history.choosing.receipt import SourceReceipt
from tuner.spec import parse_spec
from tuner.surrogate.history.foretelling import foretelling

RATE, MOMENTUM = SPACE["train.rate"], SPACE["train.momentum"]


@pytest.fixture
def base(tmp_path: Path) -> Iterator[HistoryDatabase]:
    with history_database(tmp_path) as base:
        yield base


def receipt(found: FoundHistory, key: str) -> SourceReceipt:
    return next(receipt for receipt in found.receipts if receipt.key == key)


def names(found: FoundHistory) -> list[str]:
    return [source.name for source in found.sources]


def runs(count: int = 12, shift: float = 0.5, **renames: str) -> list[HistoricTrial]:
    return [
        historic_trial(n, {renames.get(k.replace(".", "_"), k): v for k, v in params.items()})
        for n, params in enumerate(grid(count, shift))
    ]


def test_an_earlier_study_is_found_with_all_its_trials(base: HistoryDatabase) -> None:
    base.add_study("old", grid(12))

    found = base.find()

    (source,) = found.sources
    assert (source.name, source.weight, len(source)) == ("vision/old", 1.0, 12)
    np.testing.assert_allclose(source.x[:, 0], (np.arange(12) + 0.5) / 12)
    assert source.y.tolist() == [-float(n) for n in range(12)]
    assert found.summary == "12 trials of 1 study inform this study"
    told = receipt(found, "vision/old")
    assert (told.found, told.used, told.dropped, told.left_out) == (12, 12, {}, "")
    assert (told.metric_there, told.parameters, told.listed) == ("score", {}, False)


def test_an_empty_history_and_none_start_cold(base: HistoryDatabase) -> None:
    assert base.find().summary == "starts cold: there is no history"
    base.add_study("old", grid(12))
    found = base.find(history="none")
    assert (found.summary, found.receipts) == ("starts cold: history is none", ())


def test_a_metric_that_no_historic_run_has_is_said(base: HistoryDatabase) -> None:
    base.add_study("old", grid(12))
    base.add_import("logs-00000001", runs())

    found = base.find(metric={"name": "val_f1", "goal": "maximize"})

    assert found.summary == "starts cold: no historic run has the metric val_f1 (2 studies seen)"
    assert found.sources == ()
    assert receipt(found, "vision/old").left_out == "no metric val_f1; it has score"


def test_what_ended_badly_is_counted_by_its_reason(base: HistoryDatabase) -> None:
    params = grid(20)
    fail: dict[str, Any] = {"state": "fail", "values_json": None, "objective": None}
    base.add_study(
        "old",
        [
            *params[:12],
            *(complete(params[12], 0.0, cause=c, **fail) for c in ("lost", "storage")),
            *(complete(params[13], 0.0, cause=c, **fail) for c in ("oom", "diverged")),
            complete(params[14], 0.0, cause="error", **fail),
            complete(params[15], 0.0, state="running"),
        ],
    )

    told = receipt(base.find(), "vision/old")

    assert (told.found, told.used) == (17, 14), "a running trial is no history"
    assert told.dropped == {"machine": 2, "error": 1}
    assert told.reasons == ["2 failed by the machine's fault", "1 failed by an error in the code"]


def test_the_study_itself_and_its_copies_are_no_sources(base: HistoryDatabase) -> None:
    base.add_study("new", grid(15))
    base.add_study("other", grid(15, shift=0.3))
    # As event files hold them: with 32 bits.
    copy = [
        historic_trial(n, {k: float(np.float32(v)) for k, v in params.items()})
        for n, params in enumerate(grid(15)[:12])
    ]
    base.add_import("copy-00000001", copy)

    found = base.find("new", history=["vision/new", "auto"])

    assert names(found) == ["vision/other"]
    assert receipt(found, "vision/new").left_out == "the study itself"
    assert receipt(found, "copy-00000001").left_out == "a copy of vision/new"
    assert receipt(found, "copy-00000001").dropped == {"left-out": 12}


def test_of_two_copies_one_informs(base: HistoryDatabase) -> None:
    base.add_import("first-00000001", runs(20))
    base.add_import("part-00000002", runs(20)[:15])
    base.add_import("other-00000003", runs(20, shift=0.2))

    found = base.find()

    assert sorted(names(found)) == ["first-00000001", "other-00000003"]
    assert receipt(found, "part-00000002").left_out == "a copy of first-00000001"


def test_the_same_data_counts_more_and_comes_first(base: HistoryDatabase) -> None:
    base.add_study("a", grid(12), data="d" * 64)
    base.add_study("b", grid(12, shift=0.3), data="e" * 64)
    base.add_study("c", grid(12, shift=0.6))

    found = base.find(data="e" * 64)

    assert [(s.name, s.weight) for s in found.sources] == [
        *(("vision/b", 2.0), ("vision/a", 1.0), ("vision/c", 1.0)),
    ]
    assert [r.same_data for r in found.receipts] == [True, False, False]
    assert not any(r.same_data for r in base.find().receipts), "no fingerprint is like no other"


def test_a_list_names_what_is_used_and_a_weight_of_0_what_is_not(base: HistoryDatabase) -> None:
    for number, name in enumerate(("a", "b", "c")):
        base.add_study(name, grid(12, shift=number / 4))

    alone = base.find(history=["vision/a"])
    without = base.find(history=["auto", {"study": "vision/b", "weight": 0}])
    more = base.find(history=["auto", {"study": "vision/c", "weight": 3}])

    assert (names(alone), len(alone.receipts)) == (["vision/a"], 1)
    assert sorted(names(without)) == ["vision/a", "vision/c"]
    assert receipt(without, "vision/b").left_out == "the spec gives it weight 0"
    assert next((s.name, s.weight) for s in more.sources) == ("vision/c", 3.0)
    assert receipt(more, "vision/c").listed


def test_a_path_names_everything_that_was_imported_from_it(base: HistoryDatabase) -> None:
    base.add_import("a-00000001", runs(), locator="/old/logs/a")
    base.add_import("b-00000002", runs(shift=0.1), locator="/old/logs/b")
    base.add_import("c-00000003", runs(shift=0.2), locator="/old/logs-2/c")
    base.add_import("d-00000004", runs(shift=0.3), locator="sqlite:////old/x.db#d", kind="optuna")

    assert sorted(names(base.find(history=["/old/logs"]))) == ["a-00000001", "b-00000002"]
    assert names(base.find(history=["/old/logs/b"])) == ["b-00000002"]
    assert names(base.find(history=[{"study": "c-00000003"}])) == ["c-00000003"]
    for place in ("/old/x.db", "sqlite:////old/x.db", "sqlite:////old/x.db#d"):
        assert names(base.find(history=[{"path": place}])) == ["d-00000004"]
    nearest = base.find(history=["/old/logs", {"path": "/old/logs/b", "weight": 0}])
    assert names(nearest) == ["a-00000001"]


def test_what_is_named_and_not_there_is_said(base: HistoryDatabase) -> None:
    base.add_study("empty", [])

    found = base.find(history=["vision/empty", "/nowhere", {"study": "x/y", "weight": 0}, "auto"])

    assert {r.key: r.left_out for r in found.receipts} == {
        "vision/empty": "no such study with a trial that ended",
        "/nowhere": "no import of this path; what it holds: tuner history add /nowhere",
    }
    assert found.summary == "starts cold: there is no history"


def test_renames_lead_to_parameters_and_metrics(base: HistoryDatabase) -> None:
    old = runs(train_rate="step", train_momentum="beta")
    base.add_import("old-00000001", old, metrics={"score": None})
    here = {"name": "val_f1", "goal": "maximize"}
    renames = {"step": "train.rate", "beta": "train.momentum", "score": "val_f1"}

    found = base.find(metric=here, history={"auto": True, "rename": renames})

    told = receipt(found, "old-00000001")
    assert (told.used, told.metric_note) == (12, "score there (declared)")
    assert told.parameters == {
        "train.rate": "step there (declared)",
        "train.momentum": "beta there (declared)",
    }
    assert base.find(metric=here).sources == ()


def test_half_of_the_parameters_and_ten_trials_are_needed_unless_named(
    base: HistoryDatabase,
) -> None:
    base.add_study("few", grid(5))
    space = {**SPACE, **{f"model.{x}": {"type": "bool"} for x in "abc"}}
    base.add_study("narrow", grid(12, shift=0.2))

    found = base.find(search_space=space)
    named = base.find(search_space=space, history=["vision/few", "vision/narrow"])

    assert receipt(found, "vision/few").left_out == "5 trials, at least 10 needed"
    assert receipt(found, "vision/narrow").left_out == "2 of the 5 tuned parameters known"
    assert found.summary == "starts cold: none of 2 studies can inform this study"
    assert sorted(names(named)) == ["vision/few", "vision/narrow"]


def test_each_metric_has_sources_and_receipts_of_its_own(base: HistoryDatabase) -> None:
    second = {"name": "size", "goal": "minimize"}
    base.add_study("one", grid(12))
    rows = [
        complete(params, 1.0, values_json=f"[{n}.0, {n * n}.0]", finished=n)
        for n, params in enumerate(grid(12, shift=0.3))
    ]
    base.add_study("both", rows, metric=[METRIC, second], sampler="nsga2")

    found = base.find(metric=[METRIC, second], sampler="nsga2")

    assert {name: len(sources) for name, sources in found.by_metric.items()} == {
        "score": 2,
        "size": 1,
    }
    (size,) = found.by_metric["size"]
    assert size.y.tolist() == [float(n * n) for n in range(12)]
    assert len(found.receipts) == 4
    assert found.summaries["size"] == "12 trials of 1 study inform this study; 1 left out"


def test_pruned_trials_bring_their_curves(base: HistoryDatabase) -> None:
    old = runs(20)
    pruned = [
        HistoricTrial(
            key=f"p{n}",
            params=trial.params,
            metrics={},
            curves={"score": ((1, n / 10), (3, n / 5))},
            state="pruned",
        )
        for n, trial in enumerate(runs(20, shift=0.3)[:6])
    ]
    base.add_import("old-00000001", [*old, *pruned])

    (source,) = base.find().sources

    assert sorted(source.rung.tolist()) == [-1] * 20 + [3] * 6
    assert (-source.y[source.rung == 3]).tolist() == [n / 5 for n in range(6)]


def test_curves_of_whole_trials_tell_a_study_with_a_pruner_how_far_a_rung_foretells_the_end(
    base: HistoryDatabase,
) -> None:
    curves = {n: {"score": ((1, float(-n % 7)), (4, float(n)))} for n in range(20)}
    trials = [
        historic_trial(n, params, curves=curves[n]) for n, params in enumerate(grid(20, shift=0.5))
    ]
    base.add_import("old-00000001", trials)

    (told,) = base.find(pruner={"name": "asha"}).sources
    (untold,) = base.find().sources

    assert untold.foretold is None
    assert told.foretold is not None
    found = foretelling([told.foretold])
    assert found is not None
    assert found.at(0.5) < 0.5
    assert found.correlation[-1] > 0.9


def test_a_cache_gives_the_same_and_sees_new_trials(base: HistoryDatabase) -> None:
    cache: dict[Any, Any] = {}
    base.add_import("a-00000001", runs())

    first = base.find(cache=cache)
    again = base.find(cache=cache)
    base.add_import("a-00000001", runs(14))
    changed = base.find(cache=cache)

    assert again.sources[0] is first.sources[0]
    assert again.to_json() == first.to_json()
    assert receipt(changed, "a-00000001").used == 14


def test_times_in_the_future_disturb_nobody(base: HistoryDatabase) -> None:
    rows = [complete(p, float(n), finished=4e12 + n) for n, p in enumerate(grid(12))]
    base.add_study("old", rows)
    late = [historic_trial(n, t.params, started=9e9, finished=8e9) for n, t in enumerate(runs())]
    base.add_import("late-00000001", late)

    assert base.find().summary == "24 trials of 2 studies inform this study"


def test_the_order_does_not_depend_on_the_database(base: HistoryDatabase) -> None:
    for number in (3, 1, 2):
        base.add_import(f"s-0000000{number}", runs(shift=number / 8))

    assert names(base.find()) == ["s-00000001", "s-00000002", "s-00000003"]


def test_what_other_tools_wrote_informs_a_study(tmp_path: Path) -> None:
    sgd = {"train.optimizer": ["sgd"]}
    space = {
        "train.rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
        "train.optimizer": {"type": "categorical", "values": ["adam", "sgd"]},
        "train.momentum": {"type": "float", "low": 0.0, "high": 0.9, "when": sgd},
        "train.nesterov": {"type": "bool", "when": sgd},
        "model.n_layers": {"type": "int", "low": 1, "high": 4},
    }
    loss = {"name": "val_loss", "goal": "minimize"}
    base = make_spec("new", search_space=space, metric=loss, history=[str(DATA)])
    with open_lab(f"sqlite:///{tmp_path}/h.db") as lab:
        lab.add(DATA / "kerastuner")
        lab.add(DATA / "tensorboardx")
        found = find(lab.store, parse_spec(base))
        accuracy = {"name": "accuracy", "goal": "maximize"}
        torch = find(lab.store, parse_spec({**base, "metric": accuracy}))

    by_kind = {r.kind: r for r in found.receipts if not r.left_out}
    project, logs = by_kind["kerastuner"], by_kind["hparams"]
    assert (project.used, project.metric_there, project.metric_note) == (4, "val_loss", "")
    assert (logs.used, logs.metric_there) == (8, "validation/epoch_loss")
    assert logs.metric_note == "validation/epoch_loss there (a guess by its name)"
    assert project.parameters["model.n_layers"].startswith("layers there (a guess by its abbrev")
    for source in found.sources:
        adam = source.x[:, 1] == 0
        assert np.isnan(source.x[adam, 2]).all()
        assert not np.isnan(source.x[~adam, 2]).any()
        assert ((source.x[:, 0] >= 0) & (source.x[:, 0] <= 1)).all()
    (told,) = [r for r in torch.receipts if r.metric_there is not None]
    assert told.metric_note == "hparam/accuracy there (a guess by its name)"
    assert (told.left_out, told.dropped) == (
        "2 usable trials, at least 3 needed",
        {"no-metric": 2, "left-out": 2},
    )
