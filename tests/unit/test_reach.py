"""What a token for some projects sees of what other projects have taught a study."""

from __future__ import annotations

import json

import pytest

from tuner.errors import ForbiddenError
from tuner.security.identity import OWNER, Identity, Scope, calling
from tuner.service.answers.reach import covered, covered_worker, require_reach
from tuner.spec import parse_spec

MINE = Identity(
    name="mine", scopes=frozenset({Scope.READ}), projects=frozenset({"mine"}), token_id=1
)
FOREIGN = ("theirs/secret-plan", "old-runs-1a2b3c4d", "/data/old/runs")
EXPLANATION = {
    "study": "mine/new",
    "summary": "informed by mine/old, theirs/secret-plan and old-runs-1a2b3c4d",
    "sources": [
        {"key": "mine/old", "locator": "mine/old", "used": 3},
        {"key": "theirs/secret-plan", "locator": "theirs/secret-plan", "used": 5},
        {"key": "old-runs-1a2b3c4d", "locator": "/data/old/runs", "used": 7},
    ],
    "artifacts": [{"shares": {"score": {"mine/old": 0.1, "theirs/secret-plan": 0.9}}}],
}
PROPOSAL = {
    "nearest": [
        {"study": "theirs/secret-plan", "params": {"x": 0.123}, "value": 0.99},
        {"study": "mine/old", "params": {"x": 0.2}, "value": 0.5},
    ],
    "proposal": {"insight": {"nearest": [{"source": "old-runs-1a2b3c4d", "trial": "7"}]}},
}


def test_other_projects_and_imports_are_counted_and_not_named() -> None:
    with calling(MINE):
        shown = covered(EXPLANATION)

    assert not any(name in json.dumps(shown) for name in FOREIGN)
    assert [source["used"] for source in shown["sources"]] == [3, 5, 7]
    assert shown["sources"][0] == EXPLANATION["sources"][0]  # type: ignore[index]
    assert list(shown["artifacts"][0]["shares"]["score"].values()) == [0.1, 0.9]


def test_results_of_other_projects_are_left_out() -> None:
    with calling(MINE):
        shown = covered(PROPOSAL)

    assert [near["study"] for near in shown["nearest"]] == ["mine/old"]
    assert shown["proposal"]["insight"]["nearest"] == []


@pytest.mark.parametrize("document", [EXPLANATION, PROPOSAL])
def test_a_token_for_all_projects_sees_everything(document: dict[str, object]) -> None:
    with calling(OWNER):
        assert covered(document) == document


def test_a_worker_is_shown_without_what_it_runs_for_others_and_why_it_failed_them() -> None:
    facts = {"name": "w1", "trial": 3, "attempt": 1, "out_since": None, "reason": ""}
    busy = {**facts, "study": "theirs/secret-plan"}
    out = {**facts, "study": None, "out_since": "then", "reason": "theirs/secret-plan trial 3 (x)"}
    own = {**facts, "study": "mine/old"}

    with calling(MINE):
        assert covered_worker(busy) == {**busy, "study": None, "trial": None, "attempt": None}
        assert "secret-plan" not in covered_worker(out)["reason"]
        assert covered_worker(own) == own
    assert covered_worker(out) == out


@pytest.mark.parametrize(
    ("changes", "is_refused"),
    [
        ({}, False),
        ({"history": ["mine/old", "auto"]}, False),
        ({"history": ["theirs/secret-plan"]}, True),
        ({"project": "theirs"}, True),
    ],
    ids=str,
)
def test_a_spec_reaches_no_further_than_its_submitter(
    changes: dict[str, object], *, is_refused: bool
) -> None:
    spec = parse_spec(
        {
            "project": "mine",
            "study": "new",
            "objective": "toy:train",
            "metric": {"name": "score", "goal": "maximize"},
            "search_space": {"x": {"type": "bool"}},
            "budget": {"trials": 3},
            **changes,
        }
    )

    with calling(MINE):
        if is_refused:
            with pytest.raises(ForbiddenError, match="token for project theirs"):
                require_reach(spec)
        else:
            require_reach(spec)
