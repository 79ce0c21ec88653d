"""YAML 1.2 text as plain values, with the line and column of each.

Values follow the core schema: `1e-5` is a number, `no` is a word. Anchors, aliases, tags, several
documents, duplicate keys and deep nesting are refused, so that what is small on disk stays small.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from tuner.errors import SpecError
from tuner.space.problem import Path, field_name
from tuner.space.value import show
from tuner.spec.reading.document import Mark, YamlDocument

MAX_DEPTH = 20
#: Maximum number of digits: a longer number is a mistake, and could take long to convert.
_MAX_DIGITS = 400

Scalar = str | int | float | bool | None

#: The core schema of YAML 1.2 (section 10.3.2), in the order in which the patterns are tried.
_SCHEMA: tuple[tuple[re.Pattern[str], Callable[[str], Scalar]], ...] = (
    (re.compile(r"null|Null|NULL|~|"), lambda _: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda _: float("nan")),
)


def plain_value(text: str) -> Scalar:
    """Return what an unquoted scalar means."""
    for pattern, convert in _SCHEMA:
        if pattern.fullmatch(text):
            return convert(text)
    return text


def parse_value(text: str, source: str) -> Any:
    """Return the value of a key from its text: `8`, `30m` or `{name: asha}`.

    Raises:
        SpecError: it is not YAML, or uses something that a spec must not.
    """
    return parse_document(text, source).data


def parse_document(text: str, source: str) -> YamlDocument:
    """Return the content of YAML text.

    Args:
        source: the name of the text in messages.

    Raises:
        SpecError: it is not YAML, or uses something that a spec must not.
    """
    builder = _Builder(source)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except ReaderError as exc:
        before = text[: exc.position]
        line, column = before.count("\n") + 1, exc.position - (before.rfind("\n") + 1) + 1
        shown = show(chr(exc.character) if isinstance(exc.character, int) else exc.character)
        raise SpecError(f"{source}:{line}:{column}: {shown}: no control characters") from exc
    except MarkedYAMLError as exc:
        raise SpecError(_syntax_message(exc, source)) from exc
    except (YAMLError, ValueError) as exc:
        raise SpecError(f"{source}: not YAML: {exc}") from exc
    return builder.document


def _syntax_message(exc: MarkedYAMLError, source: str) -> str:
    mark = exc.problem_mark or exc.context_mark
    where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
    context = f" ({exc.context})" if exc.context else ""
    return f"{where}: not YAML: {exc.problem}{context}"


class _Builder:
    """Builds values from parser events without recursion. Mutable: it holds the parser's stack."""

    def __init__(self, source: str) -> None:
        self.document = YamlDocument(source=source, data=None)
        self._containers: list[tuple[Path, Any]] = []
        self._key: str | None = None
        self._documents = 0

    def take(self, event: Event) -> None:
        """Process the next event."""
        if isinstance(event, DocumentStartEvent):
            self._start_document(event)
        elif isinstance(event, NodeEvent):
            self._check_plain(event)
            self._node(event)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._containers.pop()

    def _start_document(self, event: DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            raise self._error(event, "second document (---)", "one document in a file")
        if event.version and tuple(event.version) != (1, 2):
            found = f"%YAML {'.'.join(str(part) for part in event.version)}"
            raise self._error(event, found, "YAML 1.2 only; leave out the line")

    def _check_plain(self, event: NodeEvent) -> None:
        if isinstance(event, AliasEvent):
            raise self._error(event, f"*{event.anchor}", "no aliases; write the value again")
        if event.anchor:
            raise self._error(event, f"&{event.anchor}", "no anchors; write the value again")
        # Every node but an alias may carry a tag; the base class does not declare it.
        if tag := getattr(event, "tag", None):
            raise self._error(event, str(tag), "no tags; write the plain value")

    def _node(self, event: NodeEvent) -> None:
        container = self._containers[-1][1] if self._containers else None
        if isinstance(container, dict) and self._key is None:
            self._take_key(event)
            return
        value = self._value(event)
        path = self._place(value)
        # The parser marks an empty value at the next token, often lines below; its key is more
        # helpful.
        empty = getattr(event, "value", None) == "" and event.start_mark == event.end_mark
        key = self.document.keys.get(path)
        self.document.values[path] = key if empty and key else self._mark(event)
        if isinstance(value, dict | list):
            if len(self._containers) >= MAX_DEPTH:
                raise self._error(event, "too deep", f"at most {MAX_DEPTH} levels")
            self._containers.append((path, value))

    def _take_key(self, event: NodeEvent) -> None:
        path, container = self._containers[-1]
        key = self._value(event)
        if not isinstance(key, str) or not key:
            raise self._error(event, f"key {show(key)}", "a key is a word; quote it if it is one")
        if key in container:
            first = self.document.keys[(*path, key)]
            where = f"line {first.line}, column {first.column}"
            name = field_name((*path, key))
            raise self._error(event, f"{name}: duplicate key", f"it stands at {where} already")
        self._key = key
        # Reserves the position, so that a mapping keeps the order of the file.
        container[key] = None
        self.document.keys[(*path, key)] = self._mark(event)

    def _place(self, value: Any) -> Path:
        """Put `value` at the parser's position and return its path."""
        if not self._containers:
            self.document.data = value
            return ()
        path, container = self._containers[-1]
        if isinstance(container, list):
            container.append(value)
            return (*path, len(container) - 1)
        key, self._key = self._key, None
        container[key] = value
        return (*path, key or "")

    def _value(self, event: NodeEvent) -> Any:
        if isinstance(event, MappingStartEvent):
            return {}
        if isinstance(event, SequenceStartEvent):
            return []
        text: str = event.value if isinstance(event, ScalarEvent) else ""
        if getattr(event, "style", None) is not None:
            return text
        if len(text) > _MAX_DIGITS and not text.strip("+-.0123456789"):
            raise self._error(event, show(text), f"at most {_MAX_DIGITS} digits")
        return plain_value(text)

    def _mark(self, event: Event) -> Mark:
        start = event.start_mark
        return Mark(source=self.document.source, line=start.line + 1, column=start.column + 1)

    def _error(self, event: Event, found: str, allowed: str) -> SpecError:
        return SpecError(f"{self._mark(event)}: {found}: {allowed}")
