"""What an image may be built from, read from docker/."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCKER = Path(__file__).parents[2] / "docker"
DOCKERFILES = sorted(DOCKER.glob("*Dockerfile*"))
#: A name, a tag that says what it is, and the digest that decides.
PINNED = re.compile(r"[a-z0-9./:_-]+:[\w.-]+@sha256:[0-9a-f]{64}")


def problems_of_base(dockerfile: str) -> list[str]:
    """Return what is wrong with the images that a Dockerfile starts from."""
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)", dockerfile, re.MULTILINE))
    problems = []
    for image in re.findall(r"^FROM (?:--\S+ )*(\S+)", dockerfile, re.MULTILINE):
        name = re.fullmatch(r"\$\{(\w+)\}", image)
        # An ARG without default makes the one who builds name an image.
        if name and name[1] not in arguments and f"ARG {name[1]}\n" in dockerfile:
            continue
        base = arguments.get(name[1], image) if name else image
        if not PINNED.fullmatch(base):
            problems.append(f"{base}: no digest")
    return problems


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_every_base_image_is_pinned_by_digest(path: Path) -> None:
    assert problems_of_base(path.read_text()) == []


@pytest.mark.parametrize(
    ("dockerfile", "is_refused"),
    [
        ("FROM python:3.12-slim\n", True),
        ("FROM python:latest AS build\n", True),
        ("FROM --platform=linux/amd64 python:3.12\n", True),
        ("ARG BASE=python:3.12\nFROM ${BASE}\n", True),
        (f"FROM python@sha256:{'0' * 64}\n", True),
        ("ARG BASE\nFROM ${BASE}\n", False),
        (f"FROM python:3.12@sha256:{'0' * 64} AS build\n", False),
    ],
)
def test_the_policy_itself_tells_pinned_from_unpinned(dockerfile: str, is_refused: bool) -> None:
    assert bool(problems_of_base(dockerfile)) == is_refused
