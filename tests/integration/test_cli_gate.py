"""`tuner submit --watch` as a pipeline types it, against a real server on another address."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from tests.support.commands import Cli, make_cli
from tests.support.service_process import TOKEN
from tests.support.study_lab import Lab
from tuner.cli.following.watching import StudyEnd, WatchLimits, follow
from tuner.client import ApiClient


@pytest.fixture
def cli(lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command for that server; gives exit code, standard output and standard error."""
    monkeypatch.setenv("TUNER_API_URL", lab.service.url)
    monkeypatch.setenv("TUNER_TOKEN", TOKEN)

    return make_cli(capsys)


@pytest.fixture
def spec(lab: Lab, tmp_path: Path) -> Callable[..., str]:
    """Write the lab's study as a file, with its code beside it."""

    def write(**changes: Any) -> str:
        (tmp_path / "objectives.py").write_text("def train(run):\n    return run.params['x']\n")
        path = tmp_path / "study.yaml"
        path.write_text(json.dumps(lab.spec(**changes)))
        return str(path)

    return write


def verdict(cli: Cli, *args: str) -> tuple[int, dict[str, Any]]:
    code, out, _ = cli("submit", *args, "--watch", "--json")
    document = json.loads(out)
    assert document["verdict"]["exit_code"] == code
    return code, document


def test_the_best_of_a_study_that_maximizes_is_not_under(
    lab: Lab, cli: Cli, spec: Callable[..., str]
) -> None:
    path = spec(budget={"trials": 2})
    assert cli("submit", path)[0] == 0
    lab.run(lab.worker(), lambda held: 0.5 + held.trial / 10)

    assert verdict(cli, path)[1]["verdict"]["outcome"] == "finished"
    code, document = verdict(cli, path, "--fail-under", "0.6")
    assert (code, document["verdict"]["outcome"]) == (0, "reached")
    assert document["study"] == lab.study
    assert document["best"]["objective"] == 0.6
    wanted = {"option": "--fail-under", "value": 0.7, "metric": "score"}
    code, document = verdict(cli, path, "--fail-under", "0.7")
    assert (code, document["verdict"]["wanted"]) == (1, wanted)

    code, out, err = cli("submit", path, "--watch", "--fail-under", "0.7")
    assert code == 1
    assert "the best score, 0.6 (trial 1), is under 0.7" in err
    assert "\x1b" not in out + err
    code, out, err = cli("submit", path, "--watch", "--fail-over", "0.7")
    assert (code, out) == (2, "")
    assert "maximizes score" in err


def test_the_best_of_a_study_that_minimizes_is_not_over(
    lab: Lab, cli: Cli, spec: Callable[..., str]
) -> None:
    path = spec(budget={"trials": 1}, metric={"name": "loss", "goal": "minimize"})
    assert cli("submit", path)[0] == 0
    lab.run(lab.worker(), lambda held: 0.25)

    assert verdict(cli, path, "--fail-over", "0.25")[0] == 0
    assert verdict(cli, path, "--fail-over", "0.24")[0] == 1
    code, _, err = cli("submit", path, "--watch", "--fail-under", "0.25")
    assert code == 0
    assert "--fail-over" in err


def test_a_study_that_was_cancelled_gives_no_verdict(
    lab: Lab, cli: Cli, spec: Callable[..., str]
) -> None:
    path = spec()
    assert cli("submit", path)[0] == 0
    lab.do("cancel")
    lab.wait_closed()

    assert verdict(cli, path)[0] == 1
    code, document = verdict(cli, path, "--fail-under", "0.5")
    assert (code, document["verdict"]["outcome"]) == (3, "failed")


def test_the_time_of_the_command_is_bounded_and_the_study_goes_on(
    lab: Lab, cli: Cli, spec: Callable[..., str]
) -> None:
    code, out, err = cli("submit", spec(), "--watch", "--timeout", "0.2s")

    assert code == 4
    assert f"tuner stop {lab.study}" in err
    assert "\x1b" not in out + err
    assert lab.status()["state"] == "running"
    assert verdict(cli, spec(), "--timeout", "0.2")[1]["verdict"]["outcome"] == "timeout"


@pytest.mark.parametrize("wrong", ["soon", "0", "-5s", "nan", "1e9d", "9" * 400, "30m "])
def test_a_time_that_is_none_is_refused_before_anything_is_submitted(
    lab: Lab, cli: Cli, spec: Callable[..., str], wrong: str
) -> None:
    code, out, err = cli("submit", spec(), "--watch", f"--timeout={wrong}")

    assert (code, out) == (2, "")
    assert "30m" in err
    assert lab.service.call("GET", f"/studies/{lab.study}").status_code == 404


def test_a_server_that_is_not_there_is_no_verdict_on_the_study(
    cli: Cli, spec: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNER_API_URL", "http://127.0.0.1:9")

    assert cli("submit", spec(), "--watch")[0] == 1
    code, out, err = cli("submit", spec(), "--watch", "--fail-under", "0.5")
    assert (code, out) == (5, "")
    assert "does not answer" in err


@pytest.mark.parametrize("own_service", ["sqlite"], indirect=True)
def test_a_server_that_is_started_again_is_waited_for(
    own_lab: Lab,
) -> None:
    class Client(ApiClient):
        """Tells when the study was seen."""

        @override
        def status(self, study: str) -> dict[str, Any]:
            document = super().status(study)
            looked.set()
            return document

    own_lab.submit()
    looked = threading.Event()
    seen: list[StudyEnd] = []
    with Client(own_lab.service.url, TOKEN) as api:
        limits = WatchLimits(patience_s=60.0)
        watcher = threading.Thread(
            target=lambda: seen.append(follow(api, own_lab.study, is_silent=True, limits=limits))
        )
        watcher.start()
        assert looked.wait(30.0)
        own_lab.service.kill()
        # Longer than the pause between two looks.
        watcher.join(1.0)
        assert watcher.is_alive(), "one unanswered look is not the end"
        own_lab.service.start()
        own_lab.do("cancel")
        watcher.join(60.0)

    assert [ending.status["state"] for ending in seen] == ["cancelled"]
