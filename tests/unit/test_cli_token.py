"""`tuner token`: the secret once and alone on standard output, or in a closed file."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest

from tests.support.commands import Cli
from tuner.errors import SetupError
from tuner.security.identity import Identity, Scope
from tuner.service.tokens import TokenDesk, workers_identity
from tuner.settings import load_settings
from tuner.storage import open_storage
from tuner.storage.tokens import tokens_in_mind

SECRET = re.compile(r"tuner_[0-9a-f]{64}\n")


def identities() -> dict[str, Identity]:
    """Return what the home's database knows, by name."""
    storage = open_storage(load_settings(os.environ).database_url, create=False)
    with storage.read() as connection:
        known = tokens_in_mind(connection, storage.now(connection))
    storage.close()
    return {token.identity.name: token.identity for token in known.values()}


def test_standard_output_has_the_secret_and_nothing_else(cli: Cli) -> None:
    code, out, err = cli("token", "create", "ci", "--scope", "submit", "--project", "vision")

    assert code == 0
    assert SECRET.fullmatch(out)
    assert "submit in project vision, until it is revoked; it is shown this once" in err
    assert out.strip() not in err
    assert identities()["ci"].scopes == {Scope.SUBMIT}
    assert identities()["ci"].projects == {"vision"}


def test_a_file_gets_the_secret_and_is_for_its_owner_alone(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "token"

    code, out, err = cli("token", "create", "ci", "--scope", "read", "-o", str(file))

    assert (code, out) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert SECRET.fullmatch(file.read_text())
    assert f"written to {file}" in err


def test_a_file_that_is_there_is_kept_and_no_token_made(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("mine\n")

    code, _, err = cli("token", "create", "ci", "--scope", "read", "-o", str(file))

    assert code == 2
    assert "already exists" in err
    assert file.read_text() == "mine\n"
    assert cli("token", "list", "--json")[1] == "[]\n"


def test_a_token_that_cannot_be_made_leaves_no_file(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "token"

    assert cli("token", "create", "Wrong", "--scope", "read", "-o", str(file))[0] == 2

    assert not file.exists()


def test_json_has_the_secret_once_and_lists_have_none(cli: Cli) -> None:
    made = json.loads(cli("token", "create", "ci", "--scope", "read", "--json")[1])
    _, listed, _ = cli("token", "list", "--json")

    assert SECRET.fullmatch(made.pop("token") + "\n")
    assert json.loads(listed) == [made]
    assert made["scopes"] == ["read"]


def test_the_list_says_what_each_may_do_and_where(cli: Cli) -> None:
    image = f"sha256:{'0' * 64}"
    cli("token", "create", "ci", "--scope", "submit", "--project", "a", "--project", "b")
    cli("token", "create", "gpus", "--scope", "work", "--expires", "30d", "--image", image)

    _, out, _ = cli("token", "list")

    assert "submit in projects a, b" in out
    assert "work everywhere, as image sha256:000000000000…" in out


def test_an_images_facts_go_with_its_token(cli: Cli, tmp_path: Path) -> None:
    facts, image = tmp_path / "image.json", f"sha256:{'0' * 64}"
    facts.write_text(json.dumps({"lock": "1" * 64, "files": "2" * 64, "flavour": "gpu"}))
    bound = ("--scope", "work", "--image", image, "--image-facts", str(facts))

    assert cli("token", "create", "gpus", *bound)[0] == 0

    found = identities()["gpus"]
    assert (found.image, found.lock, found.files) == (image, "1" * 64, "2" * 64)
    assert "as image sha256:000000000000… with lock 111111111111… and files" in "".join(
        cli("token", "list")[1].split("\n")
    )
    (listed,) = json.loads(cli("token", "list", "--json")[1])
    assert (listed["lock"], listed["files"]) == ("1" * 64, "2" * 64)


@pytest.mark.parametrize(
    ("content", "said"),
    [("{}", "says neither `lock` nor `files` of an image"), ("[", "no JSON: no facts of an image")],
)
def test_a_file_without_facts_makes_no_token(
    cli: Cli, tmp_path: Path, content: str, said: str
) -> None:
    facts = tmp_path / "image.json"
    facts.write_text(content)
    bound = ("--image", f"sha256:{'0' * 64}", "--image-facts", str(facts))

    code, out, err = cli("token", "create", "gpus", "--scope", "work", *bound)

    assert (code, out) == (2, "")
    assert f"--image-facts {facts}: {said}" in err


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"TUNER_WORKER_IMAGE": "team/train:dev"}, "'team/train:dev': sha256: and 64"),
        ({"TUNER_WORKER_LOCK": "0" * 64}, "TUNER_WORKER_LOCK: is compared in a worker of an image"),
        (
            {"TUNER_WORKER_IMAGE": f"sha256:{'0' * 64}", "TUNER_WORKER_FILES": "x"},
            "TUNER_WORKER_FILES: 'x': must be",
        ),
        ({"TUNER_WORKER_IMAGE": f"sha256:{'0' * 64}", "TUNER_WORKER_TOKEN": ""}, "is not set"),
    ],
    ids=str,
)
def test_a_server_does_not_start_with_a_workers_token_that_is_bound_to_nothing(
    environ: dict[str, str], said: str
) -> None:
    settings = load_settings({"TUNER_WORKER_TOKEN": "secret", **environ})

    with pytest.raises(SetupError, match=said):
        workers_identity(settings)


def test_a_revoked_token_is_known_no_more_and_its_name_is_free(cli: Cli) -> None:
    cli("token", "create", "ci", "--scope", "read")
    taken = cli("token", "create", "ci", "--scope", "read")
    revoked = cli("token", "revoke", "ci")

    assert (taken[0], revoked[0]) == (2, 0)
    assert "already in force" in taken[2]
    assert "ci" not in cli("token", "list")[1]
    assert "revoked" in cli("token", "list", "--all")[1]
    assert cli("token", "create", "ci", "--scope", "read")[0] == 0


def test_an_unknown_name_is_answered_with_those_that_there_are(cli: Cli) -> None:
    cli("token", "create", "ci", "--scope", "read")

    code, _, err = cli("token", "revoke", "cl")

    assert code == 2
    assert "there is no token 'cl'; in force: ci" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scope", "read", "--expires", "soon"], "--expires 'soon': a duration above 0"),
        (["--scope", "read", "--project", "A"], "projects: 'A': no name of a project"),
        (["--scope", "work", "--image", "team/train:latest"], "a tag can be moved"),
        (["--scope", "read", "--image", f"sha256:{'0' * 64}"], "is for the scope work"),
        (["--scope", "work", "--lock", "0" * 64], "lock: is compared in a worker of an image"),
        (
            ["--scope", "work", "--image", f"sha256:{'0' * 64}", "--files", "abc"],
            "files: 'abc': must be the 64 hexadecimal digits of a SHA-256",
        ),
        (
            ["--scope", "work", "--image-facts", "nowhere.json"],
            "--image-facts nowhere.json: cannot be read: No such file",
        ),
        (
            ["--scope", "work", "--lock", "0" * 64, "--image-facts", "nowhere.json"],
            "keep one of them",
        ),
    ],
    ids=str,
)
def test_what_no_token_can_have_is_refused_with_what_is_allowed(
    cli: Cli, options: list[str], said: str
) -> None:
    code, out, err = cli("token", "create", "ci", *options)

    assert (code, out) == (2, "")
    assert said in err


def test_an_expired_token_makes_room_for_one_of_its_name() -> None:
    settings = load_settings(os.environ)
    storage = open_storage(settings.database_url, create=True)
    desk = TokenDesk(storage)
    desk.create_token("ci", ["read"], expires_s=1e-9)

    desk.create_token("ci", ["submit"])

    assert [row["state"] for row in desk.tokens()] == ["active", "revoked"]
    storage.close()
