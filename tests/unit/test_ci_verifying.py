"""Whose signature a pipeline of docker/ci believes, and what it does not run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.training.ci_lab import Team
from tests.support.training.ci_signing import DIGEST, IMAGE, OTHER, SPEC, recorder, signed


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


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
