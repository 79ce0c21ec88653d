"""The command of a trial, assembled from another tool's words."""

from __future__ import annotations

import re

from tuner.convert.draft import SpecDraft
from tuner.space.value import show_all

#: Maximum number of a command's arguments, and maximum length of one, as in a spec.
_MOST = 200
_LONGEST = 4096
#: What would be taken for a placeholder, or for escaped braces.
_PLACE = re.compile(r"\{\{[^{}]*\}\}|\{[A-Za-z_][A-Za-z0-9_.]*\}")


def place(name: str) -> str:
    """Return the placeholder for a parameter's value."""
    return "{" + name + "}"


def literal(text: str) -> str:
    """Return a text with its braces escaped."""
    return _PLACE.sub(lambda found: "{" + found[0] + "}", text)


class Command:
    """The arguments of a command. Mutable: they are added one after the other.

    Args:
        draft: with all its parameters.
    """

    def __init__(self, draft: SpecDraft) -> None:
        self._draft = draft
        self._texts: list[str] = []

    def add(self, text: str) -> None:
        """Add a text literally."""
        self._texts.append(literal(text))

    def add_template(self, text: str) -> None:
        """Add a text that already contains placeholders."""
        self._texts.append(text)

    def add_each(self, template: str) -> None:
        """Add an argument for each parameter.

        Args:
            template: with `{name}` and `{value}`.
        """
        for given, ours in self._draft.names.pairs():
            text = template.replace("{name}", literal(given)).replace("{value}", place(ours))
            self._texts.append(text)

    def add_json(self) -> None:
        """Add one argument: a JSON object of all parameters."""
        parts = []
        for given, ours in self._draft.names.pairs():
            value = place(ours)
            quoted = f'"{value}"' if _is_text(self._draft.space[ours]) else value
            parts.append(f'"{given}": {quoted}')
        self._texts.append("{" + ", ".join(parts) + "}")

    def add_file(self) -> None:
        """Add the path of the JSON file with the parameters, under our names."""
        self._texts.append(place("params"))
        renamed = [given for given, ours in self._draft.names.pairs() if given != ours]
        if renamed:
            self._draft.lose("command", f"the names {show_all(renamed)} in the file of parameters")

    def done(self) -> None:
        """Put the command into the draft; one that does not fit into a spec is left to the user."""
        texts = [text for text in self._texts if text]
        if not texts or len(texts) > _MOST or not all(map(_is_argument, texts)):
            self._draft.lose("objective", f"the command, of {len(texts)} texts")
            self._draft.stand_in()
            return
        self._draft.values["command"] = texts
        if any(item["type"] == "bool" for item in self._draft.space.values()):
            self._draft.tell("command", "true and false are passed as such, in small letters")
        name = self._measured()
        self._draft.tell(
            "command", f'the last line that it prints is its result: {{"{name}": 0.9}}'
        )

    def _measured(self) -> str:
        metric = self._draft.values.get("metric")
        first = metric[0] if isinstance(metric, list) else metric
        return str(first["name"]) if first else "val_accuracy"


def _is_argument(text: str) -> bool:
    # Databases do not accept lone surrogates, which JSON can contain.
    return len(text) <= _LONGEST and "\0" not in text and not re.search("[\ud800-\udfff]", text)


def _is_text(definition: dict[str, object]) -> bool:
    values = definition.get("values")
    listed = values if isinstance(values, list) else [definition.get("value")]
    return any(isinstance(value, str) for value in listed)
