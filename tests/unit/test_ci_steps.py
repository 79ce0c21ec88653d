"""The steps of docker/ci that need no engine; tests/docker/test_pipeline.py runs the others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.training.ci_lab import STEPS, Team
from tests.support.training.ci_signing import DIGEST, IMAGE, recorder, signed


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "dockerfile", "left"),
    [
        ("", f"FROM python:3@sha256:{DIGEST}\n", ""),
        ("", "FROM python:3\n", "python:3"),
        ("", "FROM --platform=linux/amd64 python\n", "python"),
        ("", f"FROM a@sha256:{DIGEST} AS build\nFROM build\nCOPY --from=build /a /a\n", ""),
        ("", f"FROM a@sha256:{DIGEST}\nCOPY --from=b:1 /a /a\n", "b:1"),
        ("", f"FROM a@sha256:{DIGEST}\nRUN --mount=type=bind,from=c:1,target=/c true\n", "c:1"),
        ("", "ARG BASE=python:3\nFROM ${BASE}\n", "python:3"),
        ("BASE=python:4", f"ARG BASE=a@sha256:{DIGEST}\nFROM ${{BASE}}\n", "python:4"),
        (f"BASE=a@sha256:{DIGEST}", "ARG BASE\nFROM $BASE\n", ""),
        ("", "ARG BASE\nFROM ${BASE}\n", "${BASE}"),
        ("", "FROM scratch\n", ""),
        ("", f'ARG BASE="a@sha256:{DIGEST}"\nFROM ${{BASE}}\n', ""),
        ("", f"# syntax=docker/dockerfile:1\nFROM a@sha256:{DIGEST}\n", "docker/dockerfile:1"),
    ],
)
def test_a_base_that_no_digest_names_is_found(
    tmp_path: Path, arguments: str, dockerfile: str, left: str
) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(dockerfile)
    done = subprocess.run(
        ["awk", "-f", str(STEPS / "bases.awk"), "-", str(file)],
        input=f"{arguments}\n",
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ([left] if left else [])


def test_a_signed_image_comes_back_as_a_change_that_pins_it(team: Team) -> None:
    signed(team)
    before = team.git("rev-parse", "origin/main")
    said = team.step("change").stderr

    branch = f"tuner/pin-{DIGEST[:12]}"
    assert branch in said
    team.git("fetch", "--quiet")
    assert team.git("rev-parse", "origin/main") == before, "people merge, not the pipeline"
    changed = team.git("diff", "--name-only", f"origin/main...origin/{branch}").split()
    place = f"signatures/{DIGEST}"
    names = {"statement.json", "statement.json.sig", "sbom.cdx.json"}
    assert set(changed) == {"studies/digits.yaml", *(f"{place}/{name}" for name in names)}
    message = team.git("log", "-1", "--format=%B", f"origin/{branch}")
    assert f"tuner token create NAME --scope work --image {IMAGE}" in message
    assert "signer@example.org" in team.step("verify").stderr

    team.step("change")
    assert "nothing to change" in team.step("change").stderr


def test_a_step_before_its_turn_names_the_one_that_is_missing(team: Team) -> None:
    team.environ["PIPELINE_REPOSITORY"] = "registry.example/team/digits"
    team.environ["PIPELINE_PINS"] = "a.yaml image"

    for step, missing in (("sign", "push"), ("pin", "push"), ("change", "push")):
        assert f"step {missing} first" in team.step(step, code=2).stderr


def test_the_request_is_opened_in_the_platforms_own_way(team: Team) -> None:
    signed(team)
    options = team.folder / "options"
    hook = team.remote / "hooks" / "post-receive"
    hook.write_text(f'#!/bin/sh\nenv | grep "^GIT_PUSH_OPTION_[0-9]" | sort >{options}\n')
    hook.chmod(0o755)
    team.run("git", "-C", str(team.remote), "config", "receive.advertisePushOptions", "true")
    team.step("change", GITLAB_CI="true")
    assert [line.partition("=")[2] for line in options.read_text().splitlines()] == [
        "merge_request.create",
        "merge_request.target=main",
        f"merge_request.title=Pin registry.example:5000/team/digits to {DIGEST[:12]}",
        "merge_request.remove_source_branch",
    ]

    team.git("switch", "--quiet", "main")
    team.step("pin")
    environ, seen = recorder(team, gh='[ "$2" = list ] || echo https://example.org/pull/1')
    said = team.step("change", GH_TOKEN="x", **environ).stderr
    assert "https://example.org/pull/1" in said
    assert f"gh pr create --base main --head tuner/pin-{DIGEST[:12]}" in seen.read_text()
    # The request that is there already is not opened twice.
    team.git("switch", "--quiet", "main")
    team.step("pin")
    (team.folder / "bin" / "gh").write_text(f'#!/bin/sh\necho "$2" >>{seen}; echo open\n')
    seen.write_text("")
    team.step("change", GH_TOKEN="x", **environ)
    assert seen.read_text() == "list\n"


def test_what_a_step_needs_is_said_before_it_does_anything(team: Team) -> None:
    for step, variable in (
        ("test", "PIPELINE_TEST"),
        ("build", "PIPELINE_REPOSITORY"),
        ("push", "PIPELINE_REPOSITORY"),
        ("pin", "PIPELINE_PINS"),
        ("submit", "PIPELINE_SPEC"),
        ("install", "PIPELINE_WHEEL"),
    ):
        assert f"{variable} is not set" in team.step(step, code=2).stderr
    assert not team.out.exists()


def test_a_test_that_fails_ends_the_pipeline(team: Team) -> None:
    assert team.step("test", PIPELINE_TEST="echo tested").stdout == "tested\n"
    team.step("test", code=7, PIPELINE_TEST="sh -c 'exit 7'; true")


def test_the_contents_of_this_machine_are_a_list_of_packages_that_repeats() -> None:
    command = [sys.executable, "-I", str(STEPS / "sbom.py"), IMAGE]
    first, second = (subprocess.run(command, capture_output=True, check=True) for _ in range(2))
    document = json.loads(first.stdout)
    names = {part["name"] for part in document["components"]}

    assert first.stdout == second.stdout
    assert {"numpy", "httpx"} <= names
    assert document["metadata"]["component"]["version"] == f"sha256:{DIGEST}"
    references = [part["bom-ref"] for part in document["components"]]
    assert len(references) == len(set(references))
    assert document["dependencies"][0]["dependsOn"] == references
