"""One database of each kind for all contracts: making the tables costs more than most tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def lasting_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a database that every test leaves as empty as it found it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('contracts') / 'tuner.db'}"
        return
    with request.getfixturevalue("postgres_server").fresh_database() as url:
        yield url
