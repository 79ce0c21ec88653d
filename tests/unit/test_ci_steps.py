"""The steps of docker/ci that need no engine; tests/docker/test_pipeline.py runs the others."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.training.ci_lab import STEPS, Team
from tuner.errors import SpecError
from tuner.spec import load_spec

DIGEST = "ab" * 32
IMAGE = f"registry.example:5000/team/digits@sha256:{DIGEST}"
OTHER = f"registry.example/team/digits@sha256:{'cd' * 32}"
SPEC = """\
# what we tune
project: vision   # the team's
study: digits
{image}objective: objectives:train
metric: {{name: accuracy, goal: maximize}}
search_space:
  x: {{type: float, low: 0.0, high: 1.0}}   # image: not this one
budget: {{trials: 3}}
"""


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


def pin(file: Path, key: str, image: str = IMAGE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(STEPS / "pin.py"), str(file), key, image]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def read(file: Path, key: str) -> str:
    command = [sys.executable, str(STEPS / "pin.py"), "--read", str(file), key]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    "line",
    [
        f"image: {OTHER}\n",
        f"image:   {OTHER}   # built on Monday\n",
        f'image: "{OTHER}"  # "quoted" one\n',
        f"image: '{OTHER}'\n",
        "image:\n",
        "image:  # to be filled in by the pipeline\n",
        "",
    ],
)
def test_a_pin_changes_one_line_of_a_spec_and_nothing_else(tmp_path: Path, line: str) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(SPEC.format(image=line))
    before = file.read_text().splitlines()
    assert pin(file, "image").returncode == 0
    after = file.read_text().splitlines()

    assert str(load_spec(file).spec.image) == IMAGE
    assert read(file, "image") == IMAGE
    changed = [text for text in after if text not in before]
    assert len(changed) == 1
    assert [text for text in before if text not in after] == ([line.rstrip("\n")] if line else [])
    if "#" in line:
        assert changed[0].endswith(line.strip()[line.strip().index("#") :])
    again = file.read_bytes()
    assert "already" in pin(file, "image").stdout
    assert file.read_bytes() == again


def test_a_pin_of_a_list_changes_the_line_of_its_table(tmp_path: Path) -> None:
    file = tmp_path / "pins.toml"
    text = f"""\
# pins
[actions]
worker = "x"
[images]
redis = "r"
worker = "{OTHER}" # ours
[z]
worker = 1
"""
    file.write_text(text)

    assert pin(file, "images.worker").returncode == 0
    assert file.read_text() == text.replace(f'"{OTHER}"', f'"{IMAGE}"')


@pytest.mark.parametrize(
    ("name", "text", "key", "image", "said"),
    [
        ("a.yaml", SPEC.format(image=""), "image", "team/digits:latest", "no image by digest"),
        ("a.yaml", SPEC.format(image=""), "image", f"{IMAGE}\nx: 1", "no image by digest"),
        (
            "a.yaml",
            SPEC.format(image=f"image: {OTHER}\nimage: {OTHER}\n"),
            "image",
            IMAGE,
            "2 times",
        ),
        ("a.yaml", SPEC.format(image="image: [a,\n  b]\n"), "image", IMAGE, "image: NAME"),
        ("a.yaml", "services: {}\n", "image", IMAGE, "no study spec"),
        ("a.yaml", SPEC.format(image=""), "budget", IMAGE, "not budget"),
        ("a.toml", "[images]\n", "images.worker", IMAGE, "has no images.worker"),
        ("a.toml", "[images]\n", "other.worker", IMAGE, "no table [other]"),
        ("a.txt", "", "image", IMAGE, "neither a spec"),
    ],
)
def test_what_cannot_be_pinned_is_said_and_left_as_it_is(
    tmp_path: Path, name: str, text: str, key: str, image: str, said: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    done = pin(file, key, image)

    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert file.read_text() == text


GOOD = f"image: {IMAGE}\n"


@pytest.mark.parametrize(
    "lines",
    [
        GOOD,
        f'{GOOD}"image": {OTHER}\n',
        f"{GOOD}? image\n: {OTHER}\n",
        f'"im\\u0061ge": {OTHER}\n{GOOD}',
        f'"image": {OTHER}\n',
        f"image: !!str {OTHER}\n",
        f"image: &a {OTHER}\n",
        f"image: >-\n  {OTHER}\n",
        f"image: {IMAGE}\n  more\n",
        f"{GOOD}---\nimage: {OTHER}\n",
        f"image : {OTHER}\n",
        f"image:\t{OTHER}\n",
        f"image: {IMAGE}\rimage: {OTHER}\n",
        f"image: {IMAGE}\u2028image: {OTHER}\n",
        f"base: &b {{image: {OTHER}}}\n<<: *b\n{GOOD}",
    ],
)
def test_the_image_that_is_verified_is_the_one_that_the_spec_means(
    tmp_path: Path, lines: str
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(SPEC.format(image=lines), newline="")
    command = [sys.executable, str(STEPS / "pin.py"), "--read", str(file), "image"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return
    with contextlib.suppress(SpecError):
        assert str(load_spec(file).spec.image) == done.stdout.strip()


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


def signed(team: Team, **environ: str) -> None:
    """Have the team's pipeline sign an image and bring the pin as a change."""
    key = team.make_key()
    team.write(studies__digits_yaml=SPEC.format(image=""), signers=team.signers(key))
    revision = team.commit()
    team.environ |= {
        "PIPELINE_SPEC": "studies/digits.yaml",
        "PIPELINE_PINS": "studies/digits.yaml image\n",
        "PIPELINE_SIGNERS": "signers",
        "PIPELINE_SIGNING_KEY_FILE": str(key),
        **environ,
    }
    team.leave(image=f"{IMAGE}\n", revision=f"{revision}\n")
    (team.out / "sbom.cdx.json").write_text('{"bomFormat": "CycloneDX"}\n')
    team.step("sign")
    team.step("pin")


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


def break_image(team: Team) -> None:
    team.write(studies__digits_yaml=SPEC.format(image=f"image: {OTHER}\n"))


def break_contents(team: Team) -> None:
    (team.clone / "signatures" / DIGEST / "sbom.cdx.json").write_text("{}\n")


def break_statement(team: Team) -> None:
    file = team.clone / "signatures" / DIGEST / "statement.json"
    file.write_text(file.read_text().replace('"revision": "', '"revision": "0'))


def move_statement(team: Team) -> None:
    """Have the spec name another image, with the signature of the good one in its place."""
    break_image(team)
    good = team.clone / "signatures" / DIGEST
    good.rename(good.with_name(OTHER.rpartition(":")[2]))


def sign_by_a_stranger(team: Team) -> None:
    """Sign with a key that the change itself would allow."""
    stranger = team.make_key("stranger")
    team.write(signers=team.signers(stranger))
    team.step("sign", PIPELINE_SIGNING_KEY_FILE=str(stranger))
    team.step("pin")


def sign_for_another_purpose(team: Team) -> None:
    """As a signed file that the same key was used for elsewhere."""
    file = team.clone / "signatures" / DIGEST / "statement.json"
    Path(f"{file}.sig").unlink()
    team.run("ssh-keygen", "-q", "-Y", "sign", "-f", str(team.key), "-n", "git", str(file))


BREAKAGES: list[tuple[Callable[[Team], None], str]] = [
    (break_image, "is not signed"),
    (break_contents, "is not the one that was signed"),
    (break_statement, "signed by nobody|is wrong"),
    (move_statement, "about another image"),
    (sign_by_a_stranger, "signed by nobody"),
    (sign_for_another_purpose, "is wrong"),
]


def test_an_image_that_the_team_has_not_signed_is_not_run(team: Team) -> None:
    signed(team)
    team.step("verify")
    good = team.folder / "good"
    shutil.copytree(team.clone, good)
    for breaks, said in BREAKAGES:
        breaks(team)
        refused = team.step("verify", code=1).stderr
        assert re.search(said, refused), f"{breaks.__name__}: {refused}"
        if breaks is break_image:
            environ = {"TUNER_API_URL": "http://127.0.0.1:9", "TUNER_TOKEN": "x"}
            assert re.search(said, team.step("submit", code=1, **environ).stderr)
        shutil.rmtree(team.clone)
        shutil.copytree(good, team.clone)


def test_who_may_sign_is_read_from_the_branch_that_the_change_goes_to(team: Team) -> None:
    signed(team)

    assert "no signers" in team.step("verify", code=2, PIPELINE_BASE="release").stderr
    assert "allowed signers" in team.step("verify", code=2, PIPELINE_SIGNERS="").stderr


def recorder(team: Team, **programs: str) -> tuple[dict[str, str], Path]:
    """Put programs in front of the PATH that write down how they were called.

    Args:
        team: whose steps call them.
        programs: what each does then, as shell; "" hands over to the real one.

    Returns:
        the environment that has them, and the file that they write.
    """
    folder = team.folder / "bin"
    folder.mkdir()
    seen = team.folder / "seen"
    seen.touch()
    for name, does in programs.items():
        program = folder / name
        rest = does or f'PATH=${{PATH#*:}} exec {name} "$@"'
        program.write_text(f'#!/bin/sh\necho {name} "$@" >>{seen}\n{rest}\n')
        program.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}, seen


def test_no_secret_stands_in_an_argument_a_file_or_what_is_printed(team: Team) -> None:
    key = team.make_key("canary")
    secret = key.read_text()
    programs = {"git": "", "ssh-keygen": "", "docker": "cat >/dev/null", "cosign": "true"}
    environ, seen = recorder(team, **programs)
    signed(team)
    environ |= {
        "PIPELINE_SIGNING_KEY_FILE": "",
        "PIPELINE_SIGNING_KEY": secret.rstrip("\n"),
        "PIPELINE_PUSH_TOKEN": "canary-push-token",
        "PIPELINE_REGISTRY_USER": "ada",
        "PIPELINE_REGISTRY_PASSWORD": "canary-password",
    }
    said = [team.step(step, **environ) for step in ("sign", "pin", "change")]
    said.append(team.step("sign", **environ, PIPELINE_SIGN="cosign"))
    printed = "".join(done.stdout + done.stderr for done in said) + seen.read_text()
    kept = [file for file in team.folder.rglob("*") if file.is_file() and file != key]

    assert "docker login --username ada --password-stdin registry.example:5000" in printed
    for canary in (secret.splitlines()[2], "canary-push-token", "canary-password"):
        assert canary not in printed
        assert [file for file in kept if canary.encode() in file.read_bytes()] == []


def test_cosign_is_told_to_sign_the_digest_and_whose_signature_to_believe(team: Team) -> None:
    """Its commands, as far as they can be seen without it and without the service it asks."""
    environ, seen = recorder(team, cosign="true")
    signed(team, **environ, PIPELINE_SIGN="cosign")
    assert not (team.out / "statement.json.sig").exists()
    assert "PIPELINE_COSIGN_IDENTITY is not set" in team.step("verify", code=2).stderr
    identity = {"PIPELINE_COSIGN_IDENTITY": "https://a/b", "PIPELINE_COSIGN_ISSUER": "https://c"}
    team.step("verify", **identity)

    whose = "--certificate-identity https://a/b --certificate-oidc-issuer https://c"
    sbom = team.out.relative_to(team.clone) / "sbom.cdx.json"
    assert seen.read_text().splitlines() == [
        f"cosign sign --yes {IMAGE}",
        f"cosign attest --yes --type cyclonedx --predicate {sbom} {IMAGE}",
        f"cosign verify {whose} {IMAGE}",
        f"cosign verify-attestation {whose} --type cyclonedx {IMAGE}",
    ]
    (team.folder / "bin" / "cosign").write_text("#!/bin/sh\nexit 1\n")
    team.step("verify", code=1, **identity)


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
