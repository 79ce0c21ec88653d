"""The trial template of a Katib Experiment: the command of its container, and its devices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tuner.convert.draft import SpecDraft
from tuner.convert.fields import Fields
from tuner.convert.readers.commands import Command, literal, place
from tuner.space.value import show

#: An image reference as required in a spec.
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:-]{0,254}@sha256:[0-9a-f]{64}")
_PARAMETER = re.compile(r"\$\{trialParameters\.([^}]+)\}")
_MOST_GPUS = 8
#: Maximum depth of nesting, deeper than any Kubernetes resource.
_MAX_DEPTH = 15


def read_template(spec: Fields, draft: SpecDraft) -> None:
    """Add the command of the trial's container; other containers are mentioned in notes.

    Raises:
        SpecError: the template is invalid.
    """
    template = spec.fields("trialTemplate")
    if template is None:
        draft.stand_in()
        return
    references = _references(template, draft)
    wanted = template.text("primaryContainerName")
    resource = template.take("trialSpec")
    draft.lose_rest(template, "", "trialTemplate.")
    containers = list(_containers(resource, 0))
    named = [item for item in containers if item.get("name") == wanted] or containers
    if not named:
        draft.stand_in()
        return
    kind = resource.get("kind") if isinstance(resource, dict) else None
    if kind != "Job":
        draft.lose(
            "command", f"{kind}: a trial is one process, that of its {len(containers)} replicas"
        )
    _read_container(named[0], references, draft)


def _references(template: Fields, draft: SpecDraft) -> dict[str, str]:
    """Return the names that the template uses, with the parameters that they refer to."""
    found: dict[str, str] = {}
    for item in template.each("trialParameters"):
        name, reference = item.text("name"), item.text("reference")
        item.text("description")
        if name is None or reference is None:
            continue
        if draft.names.knows(reference):
            found[name] = draft.names.of(reference)
        elif reference == "${trialSpec.Name}":
            found[name] = "trial"  # its number, one of the words that a command may ask for
        elif not reference.startswith("${"):
            raise item.wrong("reference", "the name of one of the parameters")
    return found


def _containers(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Yield the containers of any kind of job: those of pods, at any depth."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        listed = value.get("containers")
        if isinstance(listed, list):
            yield from (item for item in listed if isinstance(item, dict))
        for key, inner in value.items():
            if key != "containers":
                yield from _containers(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _containers(inner, depth + 1)


def _read_container(
    container: dict[str, Any], references: dict[str, str], draft: SpecDraft
) -> None:
    texts = [
        str(text)
        for key in ("command", "args")
        for text in (container[key] if isinstance(container.get(key), list) else [])
    ]
    if not texts:
        draft.lose("objective", "the command, which is that of the image")
        draft.stand_in()
    else:
        command = Command(draft)
        for text in texts:
            command.add_template(_with_places(text, references, draft))
        command.done()
    _read_image(container.get("image"), draft)
    _read_resources(container.get("resources"), draft)
    for key in ("env", "envFrom", "volumeMounts", "workingDir"):
        if container.get(key):
            draft.lose("command", f"{key}: {show(container[key])}")


def _with_places(text: str, references: dict[str, str], draft: SpecDraft) -> str:
    parts = _PARAMETER.split(text)
    # Text and names alternate.
    for index in range(0, len(parts), 2):
        parts[index] = literal(parts[index])
    for index in range(1, len(parts), 2):
        ours = references.get(parts[index])
        if ours is None:
            draft.lose("command", f"${{trialParameters.{parts[index]}}}, which is not a parameter")
        parts[index] = parts[index] if ours is None else place(ours)
    return "".join(parts)


def _read_image(image: object, draft: SpecDraft) -> None:
    if not isinstance(image, str):
        return
    if _IMAGE.fullmatch(image):
        draft.values["image"] = image
    else:
        draft.lose("image", f"{image}; an image is named by its digest: image: NAME@sha256:…")


def _read_resources(resources: object, draft: SpecDraft) -> None:
    limits = resources.get("limits") if isinstance(resources, dict) else None
    for key, value in (limits if isinstance(limits, dict) else {}).items():
        text = str(value)
        if (
            key == "nvidia.com/gpu"
            and text.isascii()
            and text.isdigit()
            and int(text[:9]) <= _MOST_GPUS
        ):
            draft.values["trial"] = {"gpus": int(text)}
        else:
            draft.lose("trial", f"resources.limits.{key}: {show(value)}")
