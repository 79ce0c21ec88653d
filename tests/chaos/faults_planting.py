"""Trials that plant what no trial should, in every place that others look into."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from pathlib import Path

import httpx

from tests.chaos.faults import LOGS, Fault, FaultKind, Greedy
from tests.chaos.guard import SECRET
from tests.chaos.objectives.planting import combinations
from tests.chaos.stack import Stack
from tests.chaos.studies import PLANTING
from tests.support.service_process import TOKEN

#: Somebody reads the log of the trial meanwhile; without an answer by then the API hangs.
ANSWER_S = 15.0
#: Places that an operator puts right again, for the trials that come after.
_PUT_RIGHT = ("study", "_study", "project", "checkpoint", "checkpoints")


class Plant(Greedy):
    """One trial of the planting study leaves something somewhere."""

    needs = frozenset({LOGS})
    #: A trial of the study must run, and look for its order.
    patience_s = 12.0

    def __init__(self, stack: Stack, chance: random.Random, kind: str) -> None:
        super().__init__(stack, chance)
        orders = [order for order in combinations() if order.startswith(f"{kind}@")]
        self._order = chance.choice(orders)
        self._done: Path | None = None

    def begin(self) -> bool:
        if not self.stack.is_open(PLANTING.full_name):
            return False
        self.said = self._order
        self.watch_memory()
        new = self.stack.orders / "order.new"
        new.write_text(self._order)
        new.rename(self.stack.orders / "order")
        return True

    def has_struck(self) -> bool:
        if self._done is None:
            self._done = next(self.stack.orders.glob("done-*"), None)
            if self._done is not None:
                self._read_log(int(self._done.name.split("-")[1]))
        return self._done is not None

    def end(self) -> None:
        self.check_memory()
        for left in self.stack.orders.iterdir():
            left.unlink(missing_ok=True)
        if self._order.partition("@")[2] in _PUT_RIGHT:
            for root in (self.stack.log_root.path, self.stack.checkpoints):
                put_right(root, root / PLANTING.project)

    def _read_log(self, trial: int) -> None:
        """Read the log as somebody does who wonders: it must be answered, and be its own."""
        for server in self.stack.servers:
            try:
                answer = httpx.get(
                    f"{server.url}/v1/studies/{PLANTING.full_name}/trials/{trial}/log",
                    headers={"Authorization": f"Bearer {TOKEN}"},
                    timeout=ANSWER_S,
                )
            except httpx.TimeoutException:
                self.stack.violations.append(f"{self._order}: the log is not answered")
            except httpx.TransportError:
                """The server is down at the moment."""
            else:
                if SECRET in answer.text:
                    self.stack.violations.append(f"{self._order}: the log shows the guard's file")


def put_right(root: Path, project: Path) -> None:
    """Undo what was planted in place of a folder, as an operator does; `root` is never left."""
    folders = [root, project, *(p for p in _folders(project))]
    for folder in folders:
        for aside in sorted(_listed(folder)):
            name, is_aside, _ = aside.partition(".aside-")
            if not is_aside or not (folder / aside).is_dir() or (folder / aside).is_symlink():
                continue
            place = folder / name
            # A trial or a server may be making the same folder.
            with contextlib.suppress(OSError):
                if place.is_symlink() or not place.is_dir():
                    place.unlink(missing_ok=True)
                    (folder / aside).rename(place)
                else:
                    shutil.rmtree(folder / aside, ignore_errors=True)


def _folders(project: Path) -> list[Path]:
    return [project / name for name in _listed(project) if not (project / name).is_symlink()]


def _listed(folder: Path) -> list[str]:
    if folder.is_symlink() or not folder.is_dir():
        return []
    return os.listdir(folder)  # noqa: PTH208 - names, of folders that come and go


def _plant(kind: str) -> FaultKind:
    def make(stack: Stack, chance: random.Random) -> Fault:
        return Plant(stack, chance, kind)

    return FaultKind(make=make, lasts=(0.5, 2.0), takes_trials=True)


KINDS: dict[str, FaultKind] = {
    f"trial plants: {kind}": _plant(kind)
    for kind in dict.fromkeys(order.partition("@")[0] for order in combinations())
}
