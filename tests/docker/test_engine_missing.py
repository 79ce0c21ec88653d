"""Without an engine these tests say so loudly, and fail where everything is required."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.environments import ROOT

_TEST = "tests/docker/test_images.py::test_an_image_has_no_pip"


@pytest.mark.parametrize(("required", "status"), [("0", 0), ("1", 1)])
def test_no_engine_is_a_skip_in_capitals_and_a_failure_in_ci(
    required: str, status: int, tmp_path: Path
) -> None:
    environ = {
        **os.environ,
        "DOCKER_HOST": f"unix://{tmp_path}/none.sock",
        "TUNER_REQUIRE_ALL": required,
    }
    pytest_run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "docker"]

    done = subprocess.run(
        [*pytest_run, _TEST], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )

    assert done.returncode == status, done.stdout
    assert "none.sock does not answer" in done.stdout
    assert ("NOT TESTED: 2 tests need a container engine" in done.stdout) == (required == "0")
