"""The four studies that are tuned for hours: each is submitted again under a new name when done."""

from __future__ import annotations

import contextlib
import itertools
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.objectives.chaos_trials import FATES
from tests.chaos.objectives.planting import FILES, combinations
from tests.chaos.studies import OBJECTIVES, SPACE
from tests.soak.service import IMAGE
from tests.support.study_lab import CLOSED
from tuner.snapshot import make_snapshot

PROJECT = "soak"
#: Ended studies that stay of each kind; older ones are deleted, so that a service may be flat.
KEPT = 2
#: Places where trials plant. Those of a trial's own may hold what it likes; a plant in place of a
#: file of ours must harm this run alone.
PLACES: dict[str, tuple[str, ...]] = {"own": ("notes", "notes.d"), "run": (*FILES, "notes.d")}
#: So many files at once would hide whether their number grows.
TOO_MANY = "many files"
_GOOD: dict[str, Any] = {"x": 0.5, "rate": 0.01, "layers": 2, "kind": "plain"}

#: What each kind adds to the spec.
KINDS: dict[str, dict[str, Any]] = {
    "bayesian": {
        "objective": "chaos_trials:plain",
        "sampler": {"name": "bayesian", "seed": 7},
        "history": "auto",
    },
    "asha": {
        "objective": "chaos_trials:prunable",
        "sampler": {"name": "tpe", "seed": 7, "startup_trials": 10},
        "pruner": {"name": "asha"},
    },
    "failing": {
        "objective": "chaos_trials:fragile",
        "sampler": {"name": "random", "seed": 7},
        # Three failures alike at the start would pause the study.
        "start_with": [{**_GOOD, "x": 0.25 * n, "fate": max(FATES) + 1} for n in range(3)],
    },
    "planting": {
        "objective": "planting_trials:plants",
        "sampler": {"name": "random", "seed": 7},
    },
}


@dataclass
class Rotation:
    """Keeps one study of each kind going. Mutable: it counts the generations.

    Attributes:
        api: of the server, with the token.
        trials: of each study.
        orders: folder in which planting trials find what to plant.
        plants: where, a key of `PLACES`.
        said: what happened that an operator would have to look into.
    """

    api: httpx.Client
    trials: int
    orders: Path
    plants: str
    generations: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        snapshot = make_snapshot(OBJECTIVES)
        self._code = snapshot.sha256
        self._snapshot = snapshot.data
        chance = random.Random(7)
        orders = [
            order
            for order in combinations()
            if not order.startswith(TOO_MANY) and order.partition("@")[2] in PLACES[self.plants]
        ]
        self._orders = (chance.choice(orders) for _ in itertools.count())

    def step(self) -> None:
        """Look at every study once: submit what is missing, delete what is old, plant the next."""
        for kind, number in self.generations.items():
            state = self._state(kind, number)
            if state in CLOSED or state == "":
                self._renew(kind, number, state)
            elif state == "paused":
                self.said.append(f"{_name(kind, number)} was paused: {self._reason(kind, number)}")
                self._call("POST", f"/studies/{PROJECT}/{_name(kind, number)}/resume")
        order = self.orders / "order"
        if not order.exists():
            new = self.orders / "order.new"
            new.write_text(next(self._orders))
            new.rename(order)
            for taken in self.orders.glob("[0-9d]*"):
                with contextlib.suppress(FileNotFoundError):
                    taken.unlink()

    def _renew(self, kind: str, number: int, state: str) -> None:
        if state == "failed":
            self.said.append(f"{_name(kind, number)} failed: {self._reason(kind, number)}")
        self.generations[kind] = number + (state != "")
        self._call("PUT", f"/code/{self._code}", content=self._snapshot)
        spec = self._spec(kind, self.generations[kind])
        self._call("POST", "/studies", json={"spec": spec, "code": self._code})
        old = self.generations[kind] - KEPT - 1
        if old >= 0:
            self._call("DELETE", f"/studies/{PROJECT}/{_name(kind, old)}")

    def _spec(self, kind: str, number: int) -> dict[str, Any]:
        fate = {"fate": {"type": "int", "low": 0, "high": 15}} if kind == "failing" else {}
        return {
            "project": PROJECT,
            "study": _name(kind, number),
            "metric": {"name": "score", "goal": "maximize"},
            "search_space": {**SPACE, **fate},
            "history": "none",
            "budget": {"trials": self.trials},
            "trial": {"retries": 2, "keep": 5},
            "image": IMAGE,
            **KINDS[kind],
        }

    def _state(self, kind: str, number: int) -> str:
        answer = self._call("GET", f"/studies/{PROJECT}/{_name(kind, number)}")
        return str(answer.json()["state"]) if answer.status_code == 200 else ""

    def _reason(self, kind: str, number: int) -> str:
        answer = self._call("GET", f"/studies/{PROJECT}/{_name(kind, number)}")
        return str(answer.json().get("reason", ""))

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = self.api.request(method, path, **options)
        if answer.status_code >= 400 and answer.status_code != 404:
            self.said.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer


def _name(kind: str, number: int) -> str:
    return f"{kind}-{number:04d}"
