"""Fixtures that every test may use: a clean environment, a real Redis, real databases.

A server that this machine lacks skips the tests that need it, with the reason. With
TUNER_REQUIRE_ALL=1 (.ci/run sets it in CI) such a skip is a failure: a CI that tests nothing must
not pass.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest
import redis

from tests.support.servers import PostgresServer, postgres_or_skip
from tests.support.service_process import Nursery
from tuner.errors import SetupError
from tuner.queue.redis_server import RedisServer, find_binary, start_redis

# These shape the test run itself and reach the tests.
KEPT_SETTINGS = {
    "TUNER_CHAOS_SEED",
    "TUNER_REQUIRE_ALL",
    "TUNER_TEST_BASE_IMAGE",
    "TUNER_TEST_BROWSER",
    "TUNER_TEST_CACHE",
    "TUNER_TEST_DATABASE_URL",
    "TUNER_TEST_PIP_CONF",
    "TUNER_TEST_SCREENSHOTS",
}
REQUIRE_ALL = os.environ.get("TUNER_REQUIRE_ALL") == "1"
#: What a skip reason must not name when everything is required.
ESSENTIAL = re.compile(
    r"redis|valkey|postgres|tensorflow|keras|tensorboard|browser|node is|container engine|kubectl"
    r"|common-expression"
    r"|\bslurm\b|\bray\b",
    re.IGNORECASE,
)

_BROWSER = "tests/browser/"
#: So many tests that a process alone would be the last by minutes; they share next to nothing.
_WIDE = "tests/integration/test_study_faults.py"
#: Tests that take minutes and share nothing with the others of their file, nor with one another.
_APART = (
    "tests/acceptance/test_readme.py::test_every_command_of_a_page_prints_what_the_page_shows",
    "tests/acceptance/test_readme.py::test_the_commands_of_the_readme_do_what_it_says",
    "tests/unit/test_examples.py::test_every_example_trains",
)
#: These share with one another what takes minutes, and nothing with the rest of their file.
_GUARDS = "tests/acceptance/test_sampler_gates.py::test_no_study_goes_wrong_as_they_once_did"

#: Folders whose tests compute most of the time, and those whose tests are short; the others' wait.
_COMPUTING = ("tests/acceptance/", _BROWSER, "tests/contracts/")
_SHORT = "tests/unit/"
#: Begun first: the browser's tests share a process for ten minutes.
_LONG = (_BROWSER, "tests/schedulers/")

AnyReport = TypeVar("AnyReport", pytest.TestReport, pytest.CollectReport)

# Timings on a shared machine prove nothing, so no example is failed for being slow.
hypothesis.settings.register_profile("tuner", deadline=None)
hypothesis.settings.register_profile("tuner-ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("tuner-ci" if REQUIRE_ALL else "tuner")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the user's settings out of the tests, and the tests out of the user's home."""
    for name in list(os.environ):
        if name.startswith("TUNER_") and name not in KEPT_SETTINGS:
            monkeypatch.delenv(name)
    monkeypatch.setenv("TUNER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="session")
def redis_binary() -> Path:
    """The Redis server program that Tuner itself would start."""
    try:
        return find_binary().path
    except SetupError as exc:
        pytest.skip(f"needs a Redis server: {exc}")


@pytest.fixture(scope="session")
def shared_redis(
    redis_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisServer]:
    """One private server for the whole run; use `redis_url`, which empties it."""
    server = start_redis(redis_binary, tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def redis_url(shared_redis: RedisServer) -> str:
    """The URL of a real, empty Redis that the test must not stop."""
    with redis.Redis.from_url(shared_redis.url) as client:
        client.flushall()
    return shared_redis.url


@pytest.fixture
def private_redis(redis_binary: Path, tmp_path: Path) -> Iterator[RedisServer]:
    """A real Redis of the test's own, to be killed, stopped and started."""
    server = start_redis(redis_binary, tmp_path / "redis")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL for the whole run; use `postgres_url` or `database_url`."""
    with postgres_or_skip() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    with postgres_server.fresh_database() as url:
        yield url


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Where servers are forked from."""
    nursery = Nursery(tmp_path_factory.mktemp("nursery") / "nursery.log")
    yield nursery
    nursery.close()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'tuner.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database, of each kind that Tuner supports."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Leave whole servers on PostgreSQL to the slow part: they are the same ones on SQLite.

    What differs, the statements, is tried on both in any case (`tests/contracts`, `tests/unit`).
    Where several processes share the tests, they take them as `_in_turn` says.
    """
    for item in items:
        callspec = getattr(item, "callspec", None)
        is_whole = item.path.parent.name == "integration"
        if is_whole and callspec is not None and "postgresql" in callspec.params.values():
            item.add_marker(pytest.mark.slow)
    yield
    if hasattr(config, "workerinput"):
        scopes: dict[str, list[pytest.Item]] = {}
        for item in items:
            scopes.setdefault(_scope(item.nodeid), []).append(item)
        items[:] = [item for scope in _in_turn(scopes) for item in scopes[scope]]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file in one process, and all those that share the browser."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByWhatIsShared(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _scope(nodeid)

    return ByWhatIsShared(config, log)


def _scope(nodeid: str) -> str:
    """Return what a test has in common with those that run in the same process."""
    if nodeid.startswith(_WIDE):
        return f"{_WIDE} {zlib.crc32(nodeid.encode()) % 4}"
    if nodeid.startswith(_APART):
        return nodeid
    if nodeid.startswith(_GUARDS):
        return _GUARDS
    return _BROWSER if nodeid.startswith(_BROWSER) else nodeid.partition("::")[0]


def _in_turn(scopes: Iterable[str]) -> list[str]:
    """Return scopes in the order in which they are begun.

    Those that compute stand evenly among those that wait, so that the cores are busy and no test is
    kept waiting by many others. What takes longest in one process comes first, and unit tests come
    last: they are short, and end side by side.
    """
    parts: tuple[list[str], list[str], list[str]] = ([], [], [])
    for scope in scopes:
        computes = scope.startswith((*_COMPUTING, *_APART))
        kind = 0 if computes else 2 if scope.startswith(_SHORT) else 1
        parts[kind].append(scope)
    *mixed, short = parts
    for part in mixed:
        part.sort(key=lambda scope: not scope.startswith(_LONG))
    places = [((n + 0.5) / len(part), scope) for part in mixed for n, scope in enumerate(part)]
    return [*(scope for _, scope in sorted(places)), *short]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _refuse_skip((yield))


def _refuse_skip(report: AnyReport) -> AnyReport:
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        # (path, line, reason): the path may name an essential too.
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if ESSENTIAL.search(reason):
            report.outcome = "failed"
            report.longrepr = f"skipped, but TUNER_REQUIRE_ALL=1: {reason}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it loudly when nothing was tested in a browser: a line among others is not read."""
    skipped = [str(report.longrepr) for report in terminalreporter.getreports("skipped")]
    count = sum("needs a browser" in reason for reason in skipped)
    if count:
        text = f"NOT TESTED: {count} tests of the tab Best trials need a browser; install chromium"
        terminalreporter.write_sep("!", text, red=True, bold=True)
