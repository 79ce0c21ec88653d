"""A real TensorBoard process, asked through the HTTP API that its own pages use."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tests.support.patience import clock, pause_since

Answer = TypeVar("Answer")
_URL = re.compile(rb"TensorBoard \S+ at (http://\S+)")
#: All of them: without any the answer is empty.
_STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]


class TensorBoard:
    """The pages' view of a log folder; made by `open_tensorboard`.

    Attributes:
        url: of its page, without a slash at the end.
        pid: of its Python process; 0 where a test did not say it.
    """

    def __init__(self, url: str, pid: int = 0) -> None:
        self.url = url.rstrip("/")
        self.pid = pid

    def runs(self) -> list[str]:
        """Return the names of all runs."""
        runs: list[str] = self._get("/data/runs")
        return sorted(runs)

    def experiment(self) -> dict[str, Any]:
        """Return the declared columns: {name, hparamInfos: [...], metricInfos: [...]}."""
        answer: dict[str, Any] = self._post("/data/plugin/hparams/experiment", {})
        return answer

    def session_groups(
        self, *, sort_by: str | None = None, limit: int = 1_000_000
    ) -> list[dict[str, Any]]:
        """Return the rows of the table, of every status, as TensorBoard sends them.

        Args:
            sort_by: name of a hyperparameter, in descending order.
            limit: how many rows at most, the first ones.
        """
        columns: list[dict[str, Any]] = [
            {"metric": info["name"]} for info in self.experiment()["metricInfos"]
        ]
        if sort_by is not None:
            columns.append({"hparam": sort_by, "order": "ORDER_DESC"})
        answer = self._post(
            "/data/plugin/hparams/session_groups",
            {
                "allowedStatuses": _STATUSES,
                "colParams": columns,
                "startIndex": 0,
                "sliceSize": limit,
            },
        )
        groups: list[dict[str, Any]] = answer["sessionGroups"]
        return groups

    def trials(self) -> dict[str, dict[str, Any]]:
        """Return the rows in short form, by the name of the group.

        Each is {hparams, metrics: value by tag, status: "SUCCESS", "FAILURE" or "UNKNOWN", start,
        end, sessions: names of its runs}.
        """
        return {group["name"]: _short(group) for group in self.session_groups()}

    def scalars(self, run: str, tag: str) -> list[tuple[int, float]]:
        """Return a curve as (step, value); empty when there is none."""
        query = urllib.parse.urlencode({"run": run, "tag": tag})
        try:
            points = self._get(f"/data/plugin/scalars/scalars?{query}")
        except urllib.error.HTTPError as exc:
            if exc.code in (400, 404):
                return []
            raise
        return [(int(step), float(value)) for _, step, value in points]

    def tags(self) -> dict[str, list[str]]:
        """Return the tags of the scalars by run."""
        return {run: sorted(tags) for run, tags in self._get("/data/plugin/scalars/tags").items()}

    def texts(self, run: str, tag: str) -> list[str]:
        """Return the versions of a text that TensorBoard keeps, as the HTML that it shows."""
        query = urllib.parse.urlencode({"run": run, "tag": tag})
        return [item["text"] for item in self._get(f"/data/plugin/text/text?{query}")]

    def layout(self) -> dict[str, Any]:
        """Return the layout of the custom scalars; empty: there is none."""
        layout: dict[str, Any] = self._get("/data/plugin/custom_scalars/layout")
        return layout

    def plugins(self) -> list[str]:
        """Return the names of all plugins."""
        return sorted(self._get("/data/plugins_listing"))

    def wait_until(
        self,
        ask: Callable[[], Answer],
        is_right: Callable[[Answer], bool],
        timeout_s: float = 90.0,
    ) -> Answer:
        """Return the first answer that is right; TensorBoard loads in the background.

        Raises:
            TimeoutError: none was; the text holds the last one.
        """
        began = clock()
        while not is_right(answer := ask()):
            if clock() > began + timeout_s:
                raise TimeoutError(f"TensorBoard still answers after {timeout_s} s: {answer}")
            pause_since(began, 0.1)
        return answer

    def _get(self, path: str) -> Any:
        return self._send(urllib.request.Request(self.url + path))  # noqa: S310 - http, see _URL

    def _post(self, path: str, body: object) -> Any:
        request = urllib.request.Request(  # noqa: S310 - http, see _URL
            self.url + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        return self._send(request)

    def _send(self, request: urllib.request.Request) -> Any:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - http, see _URL
            return json.load(answer)


@contextlib.contextmanager
def open_tensorboard(
    logdir: Path,
    *,
    fast: bool = True,
    program: Sequence[str] = ("-m", "tensorboard.main"),
) -> Iterator[TensorBoard]:
    """Run TensorBoard on `logdir` while the context is open.

    Args:
        logdir: may be empty or missing yet.
        fast: with its data server, as is the default; else with its loader in Python.
        program: what Python runs, another way to start TensorBoard.

    Raises:
        RuntimeError: it did not start; the text holds what it said.
    """
    command = [sys.executable, *program, "--logdir", str(logdir)]
    command += ["--host", "127.0.0.1", "--port", "0", "--reload_interval", "1"]
    command += ["--load_fast", "true" if fast else "false"]
    output = logdir.with_name(f"{logdir.name}.tensorboard.log")
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield TensorBoard(_wait_for_url(process, output), process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_url(process: subprocess.Popen[bytes], output: Path, timeout_s: float = 90.0) -> str:
    deadline = clock() + timeout_s
    while (found := _URL.search(output.read_bytes())) is None:
        if process.poll() is not None or clock() > deadline:
            said = output.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"TensorBoard did not start (exit {process.poll()}):\n{said}")
        time.sleep(0.05)
    return found[1].decode()


def _short(group: dict[str, Any]) -> dict[str, Any]:
    sessions = group["sessions"]
    return {
        "hparams": dict(group["hparams"]),
        "metrics": {item["name"]["tag"]: item["value"] for item in group["metricValues"]},
        "status": sessions[0]["status"].removeprefix("STATUS_"),
        "start": sessions[0]["startTimeSecs"],
        "end": sessions[0]["endTimeSecs"],
        "sessions": [session["name"] for session in sessions],
    }
