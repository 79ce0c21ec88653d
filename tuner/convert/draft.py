"""A spec being made from another tool's file: its values, and notes on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tuner.convert.fields import Fields
from tuner.convert.names import Names, metric_name
from tuner.convert.ranges import Read
from tuner.space import Problems
from tuner.space.definition import parse
from tuner.space.value import show

#: `lost`: it has no counterpart here. `fill`: the user has to write it. `told`: for information.
NoteKind = Literal["lost", "fill", "told"]

#: Maximum number of notes on one place, and length of one; nobody reads more.
_MOST = 200
_LONGEST = 400


def _is_valid(definition: dict[str, Any]) -> bool:
    problems = Problems()
    parse("p", definition, (), problems)
    return not len(problems)


@dataclass(frozen=True, kw_only=True)
class Note:
    """A note on a value.

    Attributes:
        place: a key of the spec, `search_space.NAME` for a parameter; empty: the file as a whole.
    """

    place: str
    kind: NoteKind
    text: str


class SpecDraft:
    """A spec as plain values with notes. Mutable: a reader fills it.

    Args:
        tool: the tool and kind of file in words: `a W&B sweep`.
        stem: of the file's name, used if nothing else names the study.
    """

    def __init__(self, tool: str, stem: str) -> None:
        self.tool = tool
        self.stem = stem
        self.names = Names()
        self.values: dict[str, Any] = {}
        self.space: dict[str, dict[str, Any]] = {}
        self.notes: list[Note] = []

    def add(self, name: str, definition: dict[str, Any]) -> str:
        """Add a parameter and return our name for it, noting if that differs."""
        ours = self.names.of(name)
        self.space[ours] = definition
        if "step" in definition and not _is_valid(definition):
            self.space[ours] = {k: v for k, v in definition.items() if k != "step"}
            self.lose(f"search_space.{ours}", f"a step of {show(definition['step'])}")
        if ours != name:
            self.tell(f"search_space.{ours}", f"{name} there")
        return ours

    def take(self, name: str, read: Read, *fields: Fields) -> str:
        """Add a parameter with the notes on it; return our name for it.

        Args:
            read: the converted definition.
            fields: its source; keys that were not read have no counterpart.
        """
        ours = self.add(name, read.definition)
        place = f"search_space.{ours}"
        for text in read.lost:
            self.lose(place, text)
        for text in read.told:
            self.tell(place, text)
        for inner in fields:
            self.lose_rest(inner, place)
        return ours

    def lose_rest(self, fields: Fields, place: str, prefix: str = "") -> None:
        """Note for all keys that were not read that they have no counterpart."""
        for key, value in fields.left().items():
            self.lose(place, f"{prefix}{key}: {show(value)}")

    def lose(self, place: str, text: str) -> None:
        """Note what has no counterpart."""
        self._note(place, "lost", text)

    def fill(self, place: str, text: str) -> None:
        """Note what the user has to write."""
        self._note(place, "fill", text)

    def tell(self, place: str, text: str) -> None:
        """Note what is good to know."""
        self._note(place, "told", text)

    def measure(self, name: str | None, goal: str | None) -> None:
        """Set the metric; unknown parts are to be filled in."""
        if name is None:
            self.values["metric"] = {"name": "val_accuracy", "goal": goal or "maximize"}
            beside = "" if goal else ", and its goal"
            self.fill("metric", f"the metric, which {self.tool} does not name{beside}")
            return
        ours = metric_name(name)
        self.values["metric"] = {"name": ours, "goal": goal or "minimize"}
        if ours != name:
            self.tell("metric", f"{name} there: it has to be reported as {ours}")
        if goal is None:
            self.fill("metric", "where it should go: maximize or minimize")

    def cap(self, trials: int | None) -> None:
        """Set the study's number of trials; if unknown, to a common number."""
        budget = self.values.setdefault("budget", {})
        if trials is None:
            budget["trials"] = 50
            self.fill("budget", f"when to stop: {self.tool} sets no limit")
        else:
            budget["trials"] = trials

    def stand_in(self, key: str = "objective") -> None:
        """Insert a placeholder for the training code, which the file does not name."""
        if key == "hypermodel":
            self.values[key] = "model:build"
            self.fill(key, "module:Name of your HyperModel, or of the function build(hp)")
        else:
            self.values[key] = "objectives:train"
            self.fill(key, "module:function that trains once, def train(run): … (docs/study.md)")

    def _note(self, place: str, kind: NoteKind, text: str) -> None:
        plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        if len(plain) > _LONGEST:
            plain = plain[: _LONGEST - 1] + "…"
        note = Note(place=place, kind=kind, text=plain)
        if note not in self.notes and sum(n.place == place for n in self.notes) < _MOST:
            self.notes.append(note)
