"""How OpenAPI describes request bodies: their form, and the bounds that are checked in addition."""

from __future__ import annotations

import functools
from typing import Any

from pydantic import TypeAdapter

from tuner.protocol import (
    CLAIM_TOKEN,
    MAX_FOUND,
    MAX_FOUND_NAME,
    MAX_IMAGE_CHARS,
    MAX_INT,
    MAX_METRICS,
    MAX_NAME_CHARS,
    MAX_SOURCE_CHARS,
    MAX_STEP,
    SHA256,
    bounds,
)
from tuner.registry import PRUNERS, SAMPLERS, Registry
from tuner.space.conditions import MAX_CLAUSES
from tuner.space.definition import MAX_PARAMETERS, MAX_VALUES
from tuner.space.parameter import KINDS
from tuner.spec.model import Head
from tuner.spec.parts import (
    Budget,
    Data,
    Metric,
    Pruner,
    Sampler,
    TrialLimits,
)
from tuner.spec.reading.study import MAX_METRICS as MAX_STUDY_METRICS
from tuner.spec.reading.study import MAX_START_WITH
from tuner.spec.rules import EXTERNAL

Schema = dict[str, Any]

_NUMBER: Schema = {
    "anyOf": [{"type": "number"}, {"type": "string", "enum": ["nan", "inf", "-inf"]}]
}
_METRICS: Schema = {
    "maxProperties": MAX_METRICS,
    "propertyNames": {"maxLength": MAX_NAME_CHARS},
}
#: By message and field: what `tuner.protocol.bounds` checks.
_BOUNDS: dict[tuple[str, str], Schema] = {
    ("Point", "step"): {"minimum": 1, "maximum": MAX_STEP},
    ("Point", "value"): _NUMBER,
    ("Point", "metrics"): _METRICS,
    ("Finish", "metrics"): _METRICS,
    ("Finish", "values"): {"items": _NUMBER},
    ("WorkerInfo", "name"): {"pattern": f"^{bounds.WORKER_NAME.pattern}$"},
    ("WorkerInfo", "pid"): {"minimum": 0, "maximum": MAX_INT},
    ("WorkerInfo", "image"): {"maxLength": MAX_IMAGE_CHARS},
    ("WorkerInfo", "lock"): {"pattern": f"^{SHA256.pattern}$"},
    ("WorkerInfo", "files"): {"pattern": f"^{SHA256.pattern}$"},
    ("WorkerInfo", "files_built"): {"pattern": f"^{SHA256.pattern}$"},
    ("WorkerInfo", "process"): {"pattern": f"^{bounds.PROCESS.pattern}$"},
    ("WorkerInfo", "keeper"): {"pattern": f"^{bounds.PROCESS.pattern}$"},
    ("WorkerInfo", "device_id"): {"maxLength": bounds.MAX_DEVICE_ID_CHARS},
    ("WorkerInfo", "release"): {"maxLength": bounds.MAX_RELEASE_CHARS},
    ("Found", "name"): {"pattern": f"^{bounds.FOUND_NAME.pattern}$", "maxLength": MAX_FOUND_NAME},
    ("Found", "source"): {"minLength": 1, "maxLength": MAX_SOURCE_CHARS},
    ("Report", "found"): {"maxItems": MAX_FOUND},
    ("Finish", "found"): {"maxItems": MAX_FOUND},
    ("Claim", "study"): {"pattern": f"^{bounds.STUDY_NAME.pattern}$"},
    ("Claim", "token"): {"pattern": f"^{CLAIM_TOKEN.pattern}$"},
}


def body_schema(kind: type[Any], *, required: bool = True) -> Schema:
    """Return the OpenAPI schema for an endpoint that reads `kind` from its body."""
    schema = TypeAdapter(kind).json_schema()
    parts = schema.pop("$defs", {})
    for name, part in ((kind.__name__, schema), *parts.items()):
        _bound(name, part)
    # FastAPI takes only its own models into the components, so the parts are inlined.
    schema = _inlined(schema, parts)
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": required, "content": content}}


@functools.cache
def spec_schema() -> Schema:
    """Return the schema of a study spec as it is sent: with its search space inlined.

    No schema expresses what must fit together, such as a condition and its parent.
    """
    head = _section(Head)
    metric = _section(Metric)
    metrics = {"type": "array", "items": metric, "minItems": 1, "maxItems": MAX_STUDY_METRICS}
    trial = _section(TrialLimits)
    trial["properties"]["timeout"]["anyOf"].append({"type": "string"})
    assignment = {"type": "object", "minProperties": 1}
    properties = {
        **head["properties"],
        "metric": {"anyOf": [metric, metrics]},
        "constraints": _optional({"type": "array", "maxItems": 0}),
        "search_space": _optional(_space()),
        "forbid": _optional({"type": "array", "items": assignment, "maxItems": MAX_CLAUSES}),
        "start_with": _optional({"type": "array", "items": assignment, "maxItems": MAX_START_WITH}),
        "sampler": _named(Sampler, SAMPLERS),
        "pruner": _named(Pruner, PRUNERS),
        "history": _optional({"type": ["string", "array", "object"]}),
        "budget": {**_section(Budget), "minProperties": 1},
        "trial": _optional(trial),
        "data": _optional(_section(Data)),
    }
    return {
        "type": "object",
        "title": "StudySpec",
        "required": ["project", "study", "metric", "budget"],
        "anyOf": [
            {"required": ["objective", "search_space"]},
            {"required": ["objective"], "properties": {"objective": {"const": EXTERNAL}}},
            {"required": ["hypermodel"]},
            {"required": ["command", "search_space"]},
        ],
        "additionalProperties": False,
        "properties": properties,
    }


def _space() -> Schema:
    values = {"type": "array", "minItems": 1, "maxItems": MAX_VALUES}
    parameter = {
        "type": "object",
        "required": ["type"],
        "additionalProperties": False,
        "properties": {
            "type": {"enum": list(KINDS)},
            "low": {"type": "number"},
            "high": {"type": "number"},
            "step": _optional({"type": "number", "exclusiveMinimum": 0}),
            "log": {"enum": [True, False, "reverse"]},
            "values": values,
            "value": {"type": ["string", "number", "boolean"]},
            "when": _optional({"type": "object", "minProperties": 1}),
        },
    }
    return {
        "type": "object",
        "minProperties": 1,
        "maxProperties": MAX_PARAMETERS,
        "additionalProperties": parameter,
    }


def _named(model: type[Any], registry: Registry) -> Schema:
    """Return the schema of a sampler or pruner: a name, or a mapping with its options."""
    usable = registry.usable()
    names = {"enum": list(usable)}
    section = _section(model)
    section["properties"]["name"] |= names
    for extension in usable.values():
        for name, option in extension.own.items():
            section["properties"].setdefault(name, _optional(option.schema))
    return _optional({**section, "additionalProperties": False}, names)


def _section(model: type[Any]) -> Schema:
    """Return a section's schema, with bounds in JSON Schema's words rather than pydantic's."""
    schema: Schema = model.model_json_schema()
    schema.pop("$defs", None)
    for field in schema["properties"].values():
        for part in (field, *field.get("anyOf", ())):
            for ours, theirs in (("gt", "exclusiveMinimum"), ("ge", "minimum")):
                if ours in part:
                    part[theirs] = part.pop(ours)
            for ours, theirs in (("lt", "exclusiveMaximum"), ("le", "maximum")):
                if ours in part:
                    part[theirs] = part.pop(ours)
    return schema


def _optional(*choices: Schema) -> Schema:
    return {"anyOf": [*choices, {"type": "null"}]}


def _bound(name: str, schema: Schema) -> None:
    for field, form in schema.get("properties", {}).items():
        if name in ("_Submission", "_Retry") and field == "spec":
            is_optional = "anyOf" in form
            schema["properties"][field] = _optional(spec_schema()) if is_optional else spec_schema()
            continue
        found = _BOUNDS.get((name, field))
        for part in (form, *form.get("anyOf", ())):
            if part.get("type") == "integer" and found is None:
                part.setdefault("minimum", -MAX_INT)
                part.setdefault("maximum", MAX_INT)
        if found is not None:
            _narrow(form, found)


def _narrow(form: Schema, found: Schema) -> None:
    """Add bounds to a schema, or to its alternative that is not null."""
    if "anyOf" in found:
        form.pop("anyOf", None)
        form.update(found)
        return
    choices = [part for part in form.get("anyOf", ()) if part.get("type") != "null"]
    (choices[0] if choices else form).update(found)


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(item, parts) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {key: _inlined(value, parts) for key, value in schema.items()}
