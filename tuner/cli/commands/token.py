"""`tuner token …`: what other people, machines and workers call the server with."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.arguments import Json, settings
from tuner.cli.printing import print_json, say
from tuner.cli.writing.image_facts import read_image_facts
from tuner.errors import NotFoundError, SpecError, UnavailableError
from tuner.local import open_tokens
from tuner.security.identity import Scope

if TYPE_CHECKING:
    from tuner.documents.tokens import TokenRow

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="name of the token, such as ci or gpu-hosts")
]


def create(
    name: Name,
    *,
    scope: Annotated[
        list[Scope],
        typer.Option(
            help="What it may do: read; submit (and read, and steer studies); work (claim, report "
            "and finish trials, for workers); admin (everything). Repeatable."
        ),
    ],
    project: Annotated[
        list[str] | None,
        typer.Option(help="The project it is limited to (default: all); repeatable."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="How long it is valid, such as 12h or 30d (default: until revoked).",
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE",
            help="For --scope work: its workers run in this image, sha256:… or name@sha256:…, and "
            "count as no other; no worker with another token is believed that it runs this one.",
        ),
    ] = None,
    lock: Annotated[
        str | None,
        typer.Option(
            metavar="SHA256", help="With --image: the hash of the lock file that it was built with."
        ),
    ] = None,
    files: Annotated[
        str | None,
        typer.Option(
            metavar="SHA256", help="With --image: what `python -m workers measure` says in it."
        ),
    ] = None,
    image_facts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Both, from the image's own /app/image.json, copied out of it."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Write it to a new file (mode 600) instead."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Create a token and print it once: nobody can show it again."""
    wanted = sorted({one.value for one in scope}), sorted(set(project)) if project else None
    expires_s = _seconds(expires)
    lock, files = _compared(lock, files, image_facts)
    with (
        _new_file(output) as file,
        open_tokens(settings(), create=True) as desk,
    ):
        document = desk.create_token(name, *wanted, expires_s, image, lock, files)
        if file is not None:
            os.write(file, f"{document['token']}\n".encode())
    if as_json:
        is_told = file is None
        print_json({k: value for k, value in document.items() if is_told or k != "token"})
    elif file is None:
        sys.stdout.write(f"{document['token']}\n")
    if not as_json:
        where = "it is shown this once" if output is None else f"written to {output}"
        say(f"token {name}: {_describe(document)}; {where}")


def list_tokens(
    *,
    show_all: Annotated[bool, typer.Option("--all", help="List revoked tokens as well.")] = False,
    as_json: Json = False,
) -> None:
    """List the tokens, newest first, with what each may do and when it was last used."""
    from tuner.cli.render import output, tables

    try:
        with open_tokens(settings(), create=False) as desk:
            rows = desk.tokens()
    except NotFoundError:
        rows = []
    shown = [row for row in rows if show_all or row["state"] != "revoked"]
    if as_json:
        print_json(rows)
    elif shown:
        output.out().print(tables.token_table(shown))
    else:
        text = "no tokens; this machine's own commands need none; one for others: "
        say(f"{text}tuner token create NAME --scope read")


def revoke(name: Name, *, as_json: Json = False) -> None:
    """Revoke a token: within a second, no server accepts it any more."""
    with open_tokens(settings(), create=False) as desk:
        document = desk.revoke_token(name)
    if as_json:
        print_json(document)
    else:
        say(f"token {name}: revoked")


def _describe(document: TokenRow) -> str:
    from tuner.cli.render.output import moment
    from tuner.cli.render.tables import token_reach

    end = document["expires"]
    until = "until it is revoked" if end is None else f"until {moment(end)}"
    return f"{token_reach(document)}, {until}"


def _compared(
    lock: str | None, files: str | None, facts: Path | None
) -> tuple[str | None, str | None]:
    """Return the lock and the files of an image that are compared.

    Raises:
        SpecError: it is said twice, or the file holds no facts of an image.
    """
    if facts is None:
        return lock, files
    if lock is not None or files is not None:
        raise SpecError("--image-facts: holds what --lock and --files say; keep one of them")
    said = read_image_facts(facts)
    return said.lock, said.files


def _seconds(text: str | None) -> float | None:
    from tuner.spec.duration import DURATION, parse_duration

    try:
        value = parse_duration(text)
    except ValueError:
        raise SpecError(f"--expires {text!r}: {DURATION}") from None
    return None if value is None else float(str(value))


@contextlib.contextmanager
def _new_file(path: Path | None) -> Iterator[int | None]:
    """Open the file before anything is made for it; it is gone again when nothing was."""
    if path is None:
        yield None
        return
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise SpecError(f"-o {path}: already exists; name a new file") from None
    except OSError as exc:
        raise UnavailableError(f"-o {path}: cannot be written: {exc.strerror}") from exc
    try:
        yield fd
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
