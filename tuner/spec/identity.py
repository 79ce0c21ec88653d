"""When two submissions are the same study, and what may change between them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from tuner.spec.model import StudySpec
from tuner.spec.reading.ways import WAYS

#: Keys that a resubmission may change; the change is logged.
MAY_CHANGE = frozenset({"budget", "history", "parallel", "pruner", "priority", "trial"})

_MAX_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference between two specs; None if a side has no value."""

    key: str
    old: Any
    new: Any
    #: What to say instead of the values, one line each: for code, which files changed where.
    detail: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The change in readable form: `budget.trials: 4 → 6`."""
        if self.detail:
            return f"{self.key}: {'; '.join(self.detail)}"
        return f"{self.key}: {show_change(self.old)} → {show_change(self.new)}"


def show_change(value: Any) -> str:
    """Return one side of a change as text; `none` for no value."""
    text = "none" if value is None else json.dumps(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."


def identity(spec: StudySpec, code: str | None, data_fingerprint: str | None) -> str:
    """Return the SHA-256 of everything that makes results comparable.

    Args:
        code: hash of the code snapshot, None if the image holds the code.
        data_fingerprint: fingerprint of the declared data, see `tuner.snapshot.provenance`.
    """
    parts = _fixed_parts(spec)
    parts |= {"code": code, "data_fingerprint": data_fingerprint}
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _fixed_parts(spec: StudySpec) -> dict[str, Any]:
    """Return the part of the spec that the identity covers.

    Paths of data are left out because their content is fingerprinted, and parameters found in a
    hypermodel because its code determines them.
    """
    document = as_given(spec).to_json()
    keys = ("search_space", "forbid", *WAYS, "metric", "constraints")
    document["data"].pop("paths")
    return {key: document[key] for key in (*keys, "data") if key in document}


def as_given(spec: StudySpec) -> StudySpec:
    """Return a stored spec as its user wrote it: without parameters found in a hypermodel."""
    return spec.model_copy(update={"space": spec.given_space, "found": ()})


def keep_found(old: StudySpec, new: StudySpec) -> StudySpec:
    """Return the new spec with the found parameters of the stored one that it replaces."""
    return new.model_copy(update={"space": old.space, "found": old.found}) if old.found else new


def compare(old: StudySpec, new: StudySpec) -> tuple[list[Change], list[Change]]:
    """Return the allowed and the forbidden differences, in the spec's order.

    A new spec without a seed keeps the old one, which may have been drawn at random, and one
    without a sampler name keeps the old name: the default may have been different then.
    """
    old = as_given(old).with_sampler_named()
    new = new.with_sampler_named(None if new.sampler.is_named else old.sampler.name)
    if new.sampler.seed is None and old.sampler.seed is not None:
        new = new.with_seed(old.sampler.seed)
    before, after = old.to_json(), new.to_json()
    for document in (before, after):
        # The location of the data may differ between users; the service compares its fingerprint.
        document["data"].pop("paths")
    changed: list[Change] = []
    refused: list[Change] = []
    for key in [*before, *(key for key in after if key not in before)]:
        target = changed if key in MAY_CHANGE else refused
        target += _changes(key, before.get(key), after.get(key))
    return changed, refused


def _changes(key: str, old: Any, new: Any) -> list[Change]:
    if old == new:
        return []
    if not isinstance(old, dict) or not isinstance(new, dict):
        return [Change(key=key, old=old, new=new)]
    names = [*old, *(name for name in new if name not in old)]
    return [
        Change(key=f"{key}.{name}", old=old.get(name), new=new.get(name))
        for name in names
        if old.get(name) != new.get(name)
    ]
