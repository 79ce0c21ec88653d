"""History of real trials: a study learns from one that workers ran, and from a file it lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.service_process import TOKEN
from tests.support.study_lab import Lab
from tuner.client import ApiClient
from tuner.errors import SpecError
from tuner.history import HistoryStore
from tuner.history.choosing.finding import FoundHistory, find
from tuner.local.submission import Submission, make_submission
from tuner.settings import load_settings
from tuner.spec import parse_spec
from tuner.storage import open_storage

SPACE = {
    "train.rate": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
    "train.batch": {"type": "ordinal", "values": [16, 32, 64]},
    "model.norm": {"type": "bool"},
}


def find_for(lab: Lab, spec: dict[str, Any]) -> FoundHistory:
    storage = open_storage(lab.service.database_url, create=False)
    try:
        return find(HistoryStore(storage), parse_spec(spec))
    finally:
        storage.close()


def test_a_study_learns_from_one_that_workers_ran(lab: Lab) -> None:
    metric = {"name": f"score_{lab.name}", "goal": "maximize"}
    lab.submit(search_space=SPACE, budget={"trials": 14}, metric=metric)
    worker = lab.worker()
    for _ in range(11):
        held = worker.claim()
        assert held.complete(held.trial / 10).status_code == 200
    pruned = worker.claim()
    pruned.report(1, 0.25)
    pruned.report(2, 0.5)
    assert pruned.pruned().status_code == 200
    assert worker.claim().fail("diverged").status_code == 200
    assert worker.claim().fail("error", "bug").status_code == 200
    lab.wait_closed()
    wider = {**SPACE, "train.rate": {**SPACE["train.rate"], "low": 1e-5, "high": 1e-1}}
    spec = lab.spec(study="new", search_space=wider, metric=metric)

    found = find_for(lab, spec)

    (source,) = found.sources
    (receipt,) = [r for r in found.receipts if r.key == lab.study]
    trials = lab.trials()
    assert (receipt.found, receipt.used, receipt.dropped) == (14, 13, {"error": 1})
    rates = [(np.log10(t["params"]["train.rate"]) + 5) / 4 for t in trials[:13]]
    np.testing.assert_allclose(source.x[:, 0], rates, atol=1e-9)
    assert source.y[:11].tolist() == [-n / 10 for n in range(11)]
    assert (source.y[11], source.rung[11]) == (-0.5, 2)
    assert np.isnan(source.y[12])
    assert source.rung[12] == -1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "objectives.py").write_text("def train(run):\n    return 0.0\n")
    rows = [f"{10 ** (-4 + n / 4)},{[16, 32, 64][n % 3]},{n % 2 == 0},{n}" for n in range(12)]
    (tmp_path / "old.csv").write_text("lr,batch_size,norm,acc\n" + "\n".join(rows) + "\n")
    return tmp_path / "specs"


def submission(lab: Lab, folder: Path, history: Any) -> Submission:
    spec = lab.spec(search_space=SPACE, history=history, sampler="random")
    (folder / "s.yaml").write_text(json.dumps(spec))
    return make_submission(folder / "s.yaml", load_settings({"TUNER_HOME": str(folder / "home")}))


def test_a_file_that_a_spec_lists_is_imported_when_it_is_submitted(lab: Lab, folder: Path) -> None:
    renames = {"lr": "train.rate", "batch_size": "train.batch", "acc": "score"}
    items = [{"path": "../old.csv", "rename": renames}]

    with ApiClient(lab.service.url, TOKEN) as api:
        first = submission(lab, folder, items)
        assert first.send(api)["created"]
        found = find_for(lab, first.spec.to_json())
        (folder.parent / "old.csv").unlink()
        assert not submission(lab, folder, items).send(api)["created"], "it is known from before"

    (source,) = found.sources
    np.testing.assert_allclose(source.x[:, 0], np.arange(12) / 16, atol=1e-9)
    np.testing.assert_allclose(source.x[:, 1], np.arange(12) % 3 / 2)
    assert source.x[:, 2].tolist() == [1.0, 0.0] * 6
    assert source.y.tolist() == [-float(n) for n in range(12)]
    assert found.receipts[0].parameters["model.norm"] == "norm there (a guess by its last word)"


def test_a_path_that_is_nowhere_is_refused_before_anything_is_made(lab: Lab, folder: Path) -> None:
    with ApiClient(lab.service.url, TOKEN) as api:
        with pytest.raises(
            SpecError, match=r"history: .*/gone: No such file or directory; nothing"
        ):
            submission(lab, folder, ["auto", "../gone"]).send(api)

        assert lab.study not in [study["study"] for study in api.list()]
