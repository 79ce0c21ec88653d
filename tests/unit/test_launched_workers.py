"""What a worker that a scheduler has started looks at first: its roots and its GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.errors import SetupError
from tuner.roots import mark_root
from workers.host.device_sets import resolve_visible
from workers.host.shared_roots import require_shared_roots


def test_a_worker_tells_its_launchers_roots_from_other_folders_of_that_name(tmp_path: Path) -> None:
    logs, checkpoints = tmp_path / "logs", tmp_path / "checkpoints"
    environ = {
        "TUNER_LOG_ROOT_MARK": mark_root(logs),
        "TUNER_CHECKPOINT_ROOT_MARK": mark_root(checkpoints),
    }

    require_shared_roots(environ, logs, checkpoints)
    assert mark_root(logs) == environ["TUNER_LOG_ROOT_MARK"], "a mark stays"
    require_shared_roots({}, tmp_path / "none", tmp_path / "none")
    for root, said in ((tmp_path / "none", "is missing"), (checkpoints, "has another")):
        with pytest.raises(SetupError, match=said):
            require_shared_roots(environ, root, checkpoints)
    (checkpoints / ".tuner-root").unlink()
    with pytest.raises(SetupError, match=r"has no \.tuner-root"):
        require_shared_roots(environ, logs, checkpoints)
    assert not (tmp_path / "none").exists(), "what is missing is not made"


def test_the_gpus_that_a_scheduler_gives_are_named_by_uuid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.host.device_sets.list_gpus", lambda: ["GPU-a", "GPU-b", "GPU-c"])

    assert resolve_visible("gpu:visible", "2,0") == "gpu:GPU-c,GPU-a"
    assert resolve_visible("gpu:visible", "MIG-7,GPU-b") == "gpu:MIG-7,GPU-b"
    assert resolve_visible("cpu", None) == "cpu"
    for visible, said in ((None, "is not set"), ("", "is ''"), ("-1", "-1"), ("3", "shows 3 GPUs")):
        with pytest.raises(SetupError, match=said):
            resolve_visible("gpu:visible", visible)
