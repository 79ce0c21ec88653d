"""A short soak runs through: it tunes, samples and reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.__main__ import main
from tests.soak.report import read_samples


@pytest.mark.slow
@pytest.mark.usefixtures("redis_binary")
def test_a_short_soak_tunes_samples_and_reports(tmp_path: Path) -> None:
    main(
        [
            *("run", "--hours", "0.005", "--every-s", "5", "--trial-s", "0.1", "--trials", "5"),
            *("--plants", "own", "--folder", str(tmp_path / "soak")),
        ]
    )

    last = read_samples(tmp_path / "soak")[-1]
    assert last["work.ended"] > 0
    parts = {name.partition(".")[0] for name in last}
    assert parts >= {"server", "redis", "workers", "rows", "files", "database", "claims"}
    said = tmp_path / "soak" / "said.log"
    assert not said.exists(), said.read_text()
