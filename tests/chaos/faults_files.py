"""The log root: full, read-only, and with damaged files in it."""

from __future__ import annotations

import random

import sqlalchemy as sa

from tests.chaos.faults import LOGS, Fault, FaultKind
from tests.chaos.log_root import damage
from tests.chaos.stack import Stack
from tests.chaos.studies import PROJECT
from tuner.storage import tables


class FillLogRoot(Fault):
    """No file in the log root can grow."""

    needs = frozenset({LOGS})

    def begin(self) -> bool:
        self.said = self.stack.log_root.fill()
        return True

    def end(self) -> None:
        self.stack.log_root.heal()


class ReadOnlyLogRoot(FillLogRoot):
    """No file in the log root can be opened for writing."""

    def begin(self) -> bool:
        self.said = self.stack.log_root.make_read_only()
        return True


class DamageEvents(Fault):
    """The event file of a trial that runs is truncated, or ends in garbage."""

    needs = frozenset({LOGS})

    def __init__(self, stack: Stack, chance: random.Random, how: str) -> None:
        super().__init__(stack, chance)
        self._how = how

    def begin(self) -> bool:
        a = tables.attempts
        query = sa.select(a.c.run_dir).where(a.c.state == "leased").order_by(a.c.id)
        try:
            folders = [row.run_dir for row in self.stack.select(query)]
        except sa.exc.DBAPIError:
            return False
        self.chance.shuffle(folders)
        for folder in folders:
            if damaged := damage(self.stack.log_root.path / folder, self._how):
                self.said = damaged.parent.name
                return True
        return False


class ForeignRuns(Fault):
    """Runs that are no runs lie beside the real ones: empty, garbage, half a record."""

    needs = frozenset({LOGS})

    def begin(self) -> bool:
        for study in self.stack.log_root.path.glob(f"{PROJECT}/*"):
            folder = study / f"foreign-{self.chance.randrange(10**6)}"
            folder.mkdir()
            junk = [b"", self.chance.randbytes(400), b"\x18\0\0\0\0\0\0\0\xa3\x7f"]
            for number, content in enumerate(junk):
                (folder / f"events.out.tfevents.{number}.elsewhere").write_bytes(content)
            self.said = str(folder)
        return bool(self.said)


def _damage(how: str) -> FaultKind:
    def make(stack: Stack, chance: random.Random) -> Fault:
        return DamageEvents(stack, chance, how)

    return FaultKind(make=make)


KINDS: dict[str, FaultKind] = {
    "log root full": FaultKind(make=FillLogRoot, lasts=(1.0, 2.5)),
    "log root read-only": FaultKind(make=ReadOnlyLogRoot, lasts=(1.0, 2.5)),
    "event file truncated": _damage("truncated"),
    "event file ends in garbage": _damage("garbage"),
    "foreign garbage in the log root": FaultKind(make=ForeignRuns),
}
