"""The tab on TensorBoard's own data: logs of other tools, hostile ones, any question."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.board.foreign import HOSTILE, RECORDED, copy_recorded, write_trial
from tests.support.board.lab import open_board_lab
from tests.support.board.plugin import PluginClient, open_plugin
from tests.support.board.tensorboard_api import open_tensorboard
from tuner.board.plugin import BestTrialsLoader

QUICK = [name for name in HOSTILE if name not in ("many_runs", "empty", "no_hparams")]
ROUTES = ("studies", "trials", "points", "curves", "importance", "compare", "file", "takeaway")
PARAMETERS = (
    "study", "sort", "order", "query", "offset", "limit", "metric", "goal", "value", "columns",
    "trials", "runs", "run", "tag", "points", "grey", "name", "tail", "format",
)  # fmt: skip


def _has(trials: int) -> Any:
    return lambda answer: sum(one["trials"] for one in answer["studies"]) >= trials


@pytest.mark.parametrize(
    ("name", "trials", "metric", "best_param"),
    [
        ("keras_callback", 3, "validation/epoch_loss", ("rate", 0.1)),
        ("keras_tuner", 8, "validation/epoch_loss", ("units_0", 8)),
        ("tensorboardx", 4, "hparam/accuracy", ("optimizer", "adam")),
        ("optuna_callback", 1, None, None),
    ],
)
def test_logs_of_another_tool_are_ranked_by_a_metric_of_theirs(
    tmp_path: Path, name: str, trials: int, metric: str | None, best_param: tuple[str, Any] | None
) -> None:
    copy_recorded(name, tmp_path / "logs")
    with open_plugin(tmp_path / "logs") as tab:
        study = tab.wait(_has(trials))["studies"][0]
        table = tab.get("trials", study=study["study"])

        assert study["source"] == "hparams"
        assert metric in (None, study["metric"])
        assert table["rows"][0]["rank"] == 1
        assert all(row["trial"] is None and row["run"] for row in table["rows"])
        assert any("choose the metric" in note for note in table["notes"])
        if best_param is not None:
            name, value = best_param
            found = table["rows"][0]["params"][name]
            assert (found, type(found)) == (value, type(value))


def test_metric_goal_and_value_of_a_curve_are_the_readers_choice(tmp_path: Path) -> None:
    root = tmp_path / "logs"
    write_trial(root / "early", {"rate": 0.1}, values=(0.9, 0.2))
    write_trial(root / "late", {"rate": 0.2}, values=(0.1, 0.5))

    with open_plugin(root) as tab:
        tab.wait(_has(2))

        def order(**choice: str) -> list[tuple[str, float]]:
            rows = tab.get("trials", **choice)["rows"]
            return [(row["run"], round(row["objective"], 3)) for row in rows]

        assert order() == [("late", 0.5), ("early", 0.2)]
        assert order(value="best") == [("early", 0.9), ("late", 0.5)]
        assert order(goal="minimize") == [("early", 0.2), ("late", 0.5)]
        assert order(goal="minimize", value="best") == [("late", 0.1), ("early", 0.2)]
        note = tab.get("trials", metric="f1")["notes"]
        assert note == ["No trial has logged the metric 'f1'; they have: accuracy."]


def test_scalars_of_sub_runs_belong_to_their_trial_and_carry_the_sub_runs_name(
    tmp_path: Path,
) -> None:
    copy_recorded("keras_callback", tmp_path / "logs")
    with open_plugin(tmp_path / "logs") as tab:
        tab.wait(_has(3))
        rows = tab.get("trials")["rows"]
        curves = tab.get("curves", runs=rows[0]["run"])

        assert {"train/epoch_loss", "validation/epoch_loss"} <= set(rows[0]["metrics"])
        assert curves["tag"] == "validation/epoch_loss"
        assert curves["curves"][0]["values"][-1] == pytest.approx(rows[0]["objective"])


@pytest.mark.parametrize("name", QUICK)
def test_a_hostile_directory_shows_a_table(tmp_path: Path, name: str) -> None:
    HOSTILE[name](tmp_path / "logs")
    with open_plugin(tmp_path / "logs") as tab:
        for study in tab.wait(lambda answer: bool(answer["studies"]))["studies"]:
            table = tab.get("trials", study=study["study"])
            assert table["rows"]
            assert table["columns"]
            assert table["metric"] or table["notes"]
            for route in ("points", "curves", "importance"):
                tab.get(route, study=study["study"])
            for kind in ("csv", "json", "yaml"):
                assert tab.ask("takeaway", study=study["study"], format=kind)[0] == 200


@pytest.mark.parametrize("name", ["empty", "no_hparams"])
def test_a_directory_without_trials_says_so(tmp_path: Path, name: str) -> None:
    HOSTILE[name](tmp_path / "logs")
    with open_plugin(tmp_path / "logs") as tab:
        answer = tab.wait(lambda answer: not answer["loading"])

        assert answer["studies"] == []
        assert answer["problem"] is None
        assert tab.problem("trials", 404)["error"] == "there is no study yet"


def test_two_experiments_in_one_directory_are_two_studies(tmp_path: Path) -> None:
    HOSTILE["two_studies"](tmp_path / "logs")
    with open_plugin(tmp_path / "logs") as tab:
        studies = {one["study"] for one in tab.wait(_has(4))["studies"]}
        columns = {
            study: {c["key"] for c in tab.get("trials", study=study)["columns"]}
            for study in studies
        }

        assert studies == {"first", "second"}
        assert "params.rate" in columns["first"] - columns["second"]
        assert "params.layers" in columns["second"] - columns["first"]


def test_no_link_is_followed_and_no_file_outside_is_given(tmp_path: Path) -> None:
    HOSTILE["pipes_and_links"](tmp_path / "logs")
    with open_plugin(tmp_path / "logs") as tab:
        tab.wait(_has(4))
        for run in ("linked", "piped", "folders", "..", "away", "good/../..", "/etc", "circle"):
            for name in ("trial.json", "config.json", "output.log"):
                status, content, _ = tab.ask("file", run=run, name=name)
                assert status in (400, 404), (run, name)
                assert b"secret" not in content
                assert json.loads(content)["error"]
        assert tab.ask("file", run="good", name="../outside.txt")[0] == 400


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginClient]:
    with open_board_lab(tmp_path_factory.mktemp("lab") / "home") as lab:
        lab.add_study("lab/endings", 20)
        with open_plugin(lab.log_root) as tab:
            tab.wait(lambda answer: not answer["loading"] and bool(answer["studies"]))
            yield tab


WORDS = st.sampled_from(
    ["lab/endings", "1", "3,17", "-1", "9" * 30, "1e9", "best", "minimize", "objective",
     "params.train.batch_size", "state:pruned", "train.batch_size=64 -x>", '"', "../..", "\0",
     "config.json", "csv", "yaml", "desc", "val_accuracy", "trial_00000-20261128T210640Z", ","]
)  # fmt: skip


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    route=st.sampled_from(ROUTES),
    query=st.dictionaries(st.sampled_from(PARAMETERS), WORDS | st.text(max_size=40), max_size=5),
)
def test_any_question_gets_an_answer_or_a_problem_in_words(
    ours: PluginClient, route: str, query: dict[str, str]
) -> None:
    status, content, headers = ours.ask(route, **query)

    assert status in (200, 400, 404), (status, content[:300])
    assert headers["X-Content-Type-Options"] == "nosniff"
    if status != 200:
        problem = json.loads(content)
        assert problem["error"]
        assert {"parameter", "value", "allowed"} <= set(problem)


def test_a_run_without_our_files_in_a_study_of_ours_is_shown_from_its_hparams(
    tmp_path: Path,
) -> None:
    with open_board_lab(tmp_path / "home") as lab:
        lab.add_study("lab/endings", 8, live=0)
        root = lab.log_root / "lab" / "endings"
        run = next(root.glob("trial_00000-*"))
        (run / "trial.json").unlink()
        (run / "config.json").unlink()
        with open_plugin(lab.log_root) as tab:
            tab.wait(lambda answer: [one["trials"] for one in answer["studies"]] == [8])
            row = next(r for r in tab.get("trials")["rows"] if r["trial"] == 0)

        assert row["run"] == f"lab/endings/{run.name}"
        assert row["objective"] == pytest.approx(0.900233)
        assert row["params"]["train.optimizer"] == "sgd"


def test_a_study_that_is_deleted_meanwhile_is_said_to_be_gone(tmp_path: Path) -> None:
    with open_board_lab(tmp_path / "home") as lab:
        lab.add_study("lab/endings", 8, live=0)
        with open_plugin(lab.log_root) as tab:
            tab.wait(_has(8))
            shutil.rmtree(lab.log_root / "lab" / "endings")
            tab.wait(lambda answer: not answer["studies"])

            assert (
                "no study 'lab/endings'" in tab.problem("trials", 404, study="lab/endings")["error"]
            )


def test_a_result_is_seen_while_it_is_looked_at(tmp_path: Path) -> None:
    root = tmp_path / "logs"
    write_trial(root / "first", {"rate": 0.1})
    with open_plugin(root) as tab:
        tab.wait(_has(1))
        version = tab.get("trials")["version"]
        write_trial(root / "second", {"rate": 0.2}, values=(0.5, 0.9))
        tab.wait(_has(2))
        table = tab.get("trials")

        assert table["version"] != version
        assert table["rows"][0]["run"] == "second"


@pytest.mark.parametrize("recorded", sorted(RECORDED))
def test_what_other_tools_logged_can_be_taken_away(tmp_path: Path, recorded: str) -> None:
    copy_recorded(recorded, tmp_path / "logs")
    with open_plugin(tmp_path / "logs") as tab:
        tab.wait(_has(1))
        _, content, headers = tab.ask("takeaway", format="csv")

        assert content.startswith(b"rank,trial,state")
        assert headers["Content-Disposition"].startswith("attachment")


@pytest.mark.slow
@pytest.mark.parametrize("fast", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_plain_tensorboard_has_the_tab_below_any_path(tmp_path: Path, *, fast: bool) -> None:
    copy_recorded("tensorboardx", tmp_path / "logs")
    program = ("-m", "tensorboard.main", "--path_prefix", "/deep/er")
    with open_tensorboard(tmp_path / "logs", fast=fast, program=program) as board:
        listed = board.wait_until(
            lambda: _read(f"{board.url}/data/plugin/best_trials/studies"),
            lambda answer: _has(4)(answer),
        )
        page = _read(f"{board.url}/data/plugins_listing")["best_trials"]

    assert board.url.endswith("/deep/er")
    assert listed["studies"][0]["best"]["objective"] == pytest.approx(0.99)
    assert page["enabled"]
    assert page["tab_name"] == "Best trials"


def test_a_fault_of_the_tab_is_logged_and_leaves_it_out(caplog: pytest.LogCaptureFixture) -> None:
    assert BestTrialsLoader().load(cast(Any, None)) is None
    assert "the tab Best trials cannot be shown" in caplog.text


def _read(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - http, of a test
        return json.load(answer)
