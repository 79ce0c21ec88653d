"""Runs of an MLflow tracking server, through its REST API; read only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from tuner.errors import NotFoundError, SpecError, UnavailableError
from tuner.history.importers.folders import stamp_of
from tuner.history.importers.trackers.tracked import TrackedRun, TrackedStudy, plain_text
from tuner.history.store.cleaning import MAX_RUNS, clean_key, clean_text
from tuner.history.store.imported import ImportedRun, ImportKind, Options
from tuner.history.store.records import Rejection

#: The same as for MLflow's own client.
TOKEN, USER, PASSWORD = (
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
)
_API = "/api/2.0/mlflow/"
_TIMEOUT_S = 30.0
_MAX_ANSWER = 64 << 20
_PAGE = 500
#: Maximum number of curves, which take a request each; for further metrics only the last value is
#: read.
_MAX_CURVES = 10
_MAX_EXPERIMENTS = 10_000
_MAX_PAGES = 1000


def is_server(given: str) -> bool:
    """Whether the given text is the address of a server."""
    return given.startswith(("http://", "https://"))


def parse_server(given: str) -> tuple[str, str]:
    """Return a server's address without `#NAME`, and the name of the experiment, if any.

    Raises:
        SpecError: it names no host, or contains a password.
    """
    text, _, wanted = given.partition("#")
    try:
        parts = urlsplit(text)
        host = parts.hostname
        has_port = parts.port is not None
    except ValueError:
        host, has_port = None, False
    if not host:
        raise SpecError("the address of an MLflow server is http://HOST:PORT or https://HOST")
    if parts.username is not None or parts.password is not None or parts.query:
        raise SpecError(
            f"the address of an MLflow server holds no password and no query; set {TOKEN}, or "
            f"{USER} and {PASSWORD}"
        )
    port = f":{parts.port}" if has_port else ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{port}{parts.path.rstrip('/')}", wanted


class MlflowServer:
    """A tracking server; must be closed.

    Args:
        address: as `parse_server` returns it.

    Raises:
        SpecError: the environment contains a token that cannot be sent.
    """

    def __init__(self, address: str) -> None:
        import httpx

        self.locator = address
        self._httpx = httpx
        headers = {"Accept": "application/json"}
        token, user = os.environ.get(TOKEN), os.environ.get(USER)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        auth = (user, os.environ.get(PASSWORD, "")) if user and not token else None
        try:
            self._client = httpx.Client(headers=headers, auth=auth, timeout=_TIMEOUT_S)
        except (UnicodeError, ValueError):
            raise SpecError(f"{TOKEN} cannot be sent: it holds more than ASCII") from None

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def experiments(self) -> list[MlflowRemote]:
        """Return the experiments that are not deleted, oldest first."""
        found = self._pages("experiments/search", {"max_results": _PAGE}, "experiments")
        studies = [
            MlflowRemote(self, str(item["experiment_id"]), clean_text(str(item["name"]), 200))
            for item, _ in zip(found, range(_MAX_EXPERIMENTS), strict=False)
        ]
        return studies[::-1]

    def runs(self, experiment: str) -> Iterator[Mapping[str, Any]]:
        """Yield the runs of an experiment as the API returns them, including deleted ones."""
        query = {"experiment_ids": [experiment], "max_results": _PAGE, "run_view_type": "ALL"}
        yield from self._pages("runs/search", query, "runs")

    def history(self, run: str, metric: str) -> list[Any]:
        """Return the reports of a metric; empty if the server does not support this."""
        query = {"run_id": run, "metric_key": metric, "max_results": "25000"}
        found = self._ask("GET", "metrics/get-history", params=query).get("metrics", [])
        return found if isinstance(found, list) else []

    def _pages(self, path: str, query: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
        token = ""  # nosec B105  # none is given
        for _ in range(_MAX_PAGES):
            asked = {**query, "page_token": token} if token else dict(query)
            answer = self._ask("POST", path, json=asked)
            found = answer.get(key, [])
            yield from (item for item in found if isinstance(item, Mapping))
            token = str(answer.get("next_page_token") or "")
            if not token or not found:
                return

    def _ask(self, method: str, path: str, **content: Any) -> Mapping[str, Any]:
        try:
            with self._client.stream(method, f"{self.locator}{_API}{path}", **content) as answer:
                body = b""
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > _MAX_ANSWER:
                        raise SpecError(f"{self.locator}: answers with more than 64 MiB")
        except (self._httpx.HTTPError, self._httpx.InvalidURL) as exc:
            reason = clean_text(str(exc) or type(exc).__name__, 200)
            raise UnavailableError(f"{self.locator}: cannot be reached: {reason}") from None
        if answer.status_code in (401, 403):
            raise SpecError(
                f"{self.locator}: refuses ({answer.status_code}); set {TOKEN}, or {USER} and "
                f"{PASSWORD}"
            )
        if answer.status_code >= 500:
            raise UnavailableError(f"{self.locator}: answers with {answer.status_code}")
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        if answer.status_code != 200 or not isinstance(found, dict):
            raise SpecError(
                f"{self.locator}: is not an MLflow server: answers with {answer.status_code} "
                f"to {path}"
            )
        return found


class MlflowRemote(TrackedStudy):
    """An experiment of a server."""

    kind: ImportKind = "mlflow"

    def __init__(self, server: MlflowServer, number: str, name: str) -> None:
        super().__init__(f"{server.locator}#{name}")
        self.name = name
        self._server = server
        self._number = number
        self._runs: dict[str, Mapping[str, Any]] = {}

    def stamps(self) -> Mapping[str, str]:
        """See `FoundStudy`."""
        for run in self._server.runs(self._number):
            info = run.get("info")
            name = info.get("run_id") if isinstance(info, Mapping) else None
            if isinstance(name, str) and len(self._runs) < MAX_RUNS:
                self._runs[clean_key(name)] = run
        return {key: _stamp(run["info"]) for key, run in self._runs.items()}

    def read(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        """See `FoundStudy`."""
        for key in keys:
            read = partial(self._read, key, self._runs[key], options)
            yield self.taken(f"{self.locator}, run {key}", read, options)

    def _read(self, key: str, found: Mapping[str, Any], options: Options) -> TrackedRun:
        info, data = found["info"], found.get("data")
        if info.get("lifecycle_stage") == "deleted":
            raise ValueError("was deleted in MLflow")
        run = TrackedRun(
            key=key,
            state=str(info.get("status")),
            stamp=_stamp(info),
            started=_seconds(info.get("start_time")),
            finished=_seconds(info.get("end_time")),
        )
        inner = data if isinstance(data, Mapping) else {}
        for name, value in _pairs(inner.get("params")):
            run.params[name] = plain_text(str(value))
        for name, value in _pairs(inner.get("metrics")):
            run.summary[name] = _number(value)
        if run.state == "RUNNING":
            return run
        # The metrics that the options name come first.
        names = dict.fromkeys([*(n for n in options.metrics if n in run.summary), *run.summary])
        for name in list(names)[:_MAX_CURVES]:
            for point in self._server.history(str(info.get("run_id")), name):
                if isinstance(point, Mapping):
                    run.add_point(name, _whole(point.get("step")), _number(point.get("value")))
        return run


def find_experiments(given: str, server: MlflowServer) -> list[MlflowRemote]:
    """Return the experiments of a server, or the one named after `#`.

    Raises:
        NotFoundError: there is none of that name.
    """
    wanted = parse_server(given)[1]
    found = server.experiments()
    if not wanted:
        return found
    named = [study for study in found if study.name == wanted]
    if not named:
        known = ", ".join(study.name for study in found[:20]) or "none"
        raise NotFoundError(f"{server.locator}: has no experiment {wanted!r}; known: {known}")
    return named


def _pairs(listed: object) -> Iterator[tuple[str, Any]]:
    for item, _ in zip(listed if isinstance(listed, list) else [], range(2000), strict=False):
        if isinstance(item, Mapping) and isinstance(item.get("key"), str):
            yield item["key"], item.get("value")


def _stamp(info: Mapping[str, Any]) -> str:
    return stamp_of((info.get("status"), info.get("end_time"), info.get("lifecycle_stage")))


def _number(value: object) -> float | None:
    """Return a number; in JSON, numbers that are not finite are texts."""
    try:
        return float(value) if isinstance(value, str | int | float) else None
    except (ValueError, OverflowError):
        return None


def _whole(value: object) -> int:
    number = _number(value)
    return int(number) if number is not None and number == number // 1 else 0


def _seconds(milliseconds: object) -> float | None:
    number = _number(milliseconds)
    return None if number is None else number / 1000
