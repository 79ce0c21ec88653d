"""What a conversion gave: the spec, and what has no counterpart."""

from __future__ import annotations

from tuner.convert import Converted
from tuner.spec import StudySpec, parse_spec
from tuner.spec.reading.yaml12 import parse_document


def spec_of(converted: Converted) -> StudySpec:
    return parse_spec(parse_document(converted.text, "converted").data)


def lost(converted: Converted, place: str | None = None) -> list[str]:
    return [n.text for n in converted.notes if n.kind == "lost" and place in (None, n.place)]
