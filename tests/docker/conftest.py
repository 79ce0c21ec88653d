"""Fixtures of the tests with containers: one engine, one registry, and images that are built once.

Without an engine these tests are skipped, loudly; with TUNER_REQUIRE_ALL=1 that is a failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.base import base_image
from tests.docker.engine import Engine, NoEngineError, running_engine
from tests.docker.images import Images, build_images
from tests.docker.registry import Registry, running_registry

#: Begins the reason of each skip; where all is required, tests/conftest.py makes it a failure.
_NEEDS = "needs a container engine: "


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A running container engine with buildx and Compose."""
    try:
        with running_engine() as engine:
            yield engine
    except NoEngineError as exc:
        pytest.skip(f"{_NEEDS}{exc}")


@pytest.fixture(scope="session")
def registry(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """An empty registry on the loopback interface, which the engine can reach."""
    try:
        with running_registry(tmp_path_factory.mktemp("registry")) as registry:
            yield registry
    except NoEngineError as exc:
        pytest.skip(f"{_NEEDS}{exc}")


@pytest.fixture(scope="session")
def base(engine: Engine) -> str:
    """The base image: Debian with Python and nothing else."""
    try:
        return base_image(engine)
    except NoEngineError as exc:
        pytest.skip(f"{_NEEDS}{exc}")


@pytest.fixture(scope="session")
def built_images(engine: Engine, registry: Registry, base: str) -> Iterator[Images]:
    """The coordinator and the plain worker, built and pushed once in a run, by digest."""
    yield build_images(engine, registry, base)
    # An engine that was here before keeps the layers, and no names in a registry that is gone.
    names = engine.docker("images", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}").split("\n")
    ours = [name.split()[0] for name in names if name.startswith(registry.address)]
    if ours:
        engine.call("rmi", "--force", *ours)


@pytest.fixture
def worker(built_images: Images) -> str:
    """The plain worker image, by digest."""
    return built_images.worker


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it loudly when no container was run: a line among others is not read."""
    skipped = [str(report.longrepr) for report in terminalreporter.getreports("skipped")]
    reasons = [text.partition(_NEEDS)[2] for text in skipped if _NEEDS in text]
    if reasons:
        text = f"NOT TESTED: {len(reasons)} tests need a container engine: {reasons[0]}"
        terminalreporter.write_sep("!", text[:300], red=True, bold=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: only `make test-docker` runs them."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.docker)
            if item.get_closest_marker("timeout") is None:
                # The first one waits for base and images, long on a machine with other work.
                item.add_marker(pytest.mark.timeout(1800))
