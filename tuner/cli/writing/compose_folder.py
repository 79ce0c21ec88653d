"""The files of `tuner init compose`: everything that a host with Docker needs for the service."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tuner
from tuner.documents.document import JsonObject
from tuner.errors import SetupError, SpecError
from tuner.protocol import ImageFacts

#: `differs`: the file exists, and is not what this release would write.
State = Literal["wrote", "kept", "differs"]

SETTINGS = ".env"
SECRETS = "secrets"
_SCRIPT = "secrets.sh"
#: Every file that is copied, with its mode.
_COPIED = {
    "compose.yaml": 0o644,
    "compose.gpu.yaml": 0o644,
    "proxy/nginx.conf": 0o644,
    _SCRIPT: 0o755,
}
_EXAMPLE = ".env.example"
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:-]{0,254}@sha256:[0-9a-f]{64}")
_SETTING = re.compile(r"^(\w+)=(.*)$", re.MULTILINE)
#: Seconds for a script that creates a few files and asks Docker for its version.
_SCRIPT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a new deployment should run, and for whom.

    Attributes:
        image: image of the workers, by digest; None: to be entered into `.env` later.
        facts: what workers with that image must match; None: only its digest counts.
        server_image: the image of server and TensorBoard, in the same form.
        hosts: names and addresses by which other machines reach this one; empty: only this host.
    """

    image: str | None = None
    facts: ImageFacts | None = None
    server_image: str | None = None
    hosts: tuple[str, ...] = ()

    def settings(self) -> dict[str, str]:
        """Return the settings in `.env` that replace the example's values."""
        found = {"TUNER_IMAGE": self.image, "TUNER_SERVER_IMAGE": self.server_image}
        if self.facts is not None:
            found |= {"TUNER_IMAGE_LOCK": self.facts.lock, "TUNER_IMAGE_FILES": self.facts.files}
        if self.hosts:
            found["TUNER_ADDRESS"] = "0.0.0.0"  # noqa: S104 - with TLS, a token and a password  # nosec B104  # behind TLS
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, kw_only=True)
class ComposeFolder:
    """The state of the folder.

    Attributes:
        files: what was done with each file, by its name in the folder.
        secrets: names of the files that were created in `secrets/`.
        settings: the settings in `.env`.
        ignored: settings that were requested and that an existing `.env` sets differently.
    """

    folder: Path
    files: Mapping[str, State]
    secrets: tuple[str, ...]
    settings: Mapping[str, str]
    ignored: tuple[str, ...]

    @property
    def has_changed(self) -> bool:
        """Whether anything was written."""
        return bool(self.secrets) or "wrote" in self.files.values()

    @property
    def missing(self) -> tuple[str, ...]:
        """Settings without which Compose starts nothing."""
        needed = ("TUNER_IMAGE", "TUNER_SERVER_IMAGE")
        return tuple(name for name in needed if not self.settings.get(name))

    def to_json(self) -> JsonObject:
        """Return what `tuner init compose --json` prints."""
        return {
            "folder": str(self.folder),
            "files": dict(self.files),
            "secrets": list(self.secrets),
            "missing": list(self.missing),
            "ignored": list(self.ignored),
        }


def write_compose(folder: Path, wanted: Wanted) -> ComposeFolder:
    """Write what does not exist yet; existing files are unchanged.

    Args:
        folder: created if missing.

    Raises:
        SpecError: an image is not given by digest, or the name of a host is invalid.
        SetupError: something cannot be written or created; what this call has written is removed.
    """
    _check(wanted)
    source = _source()
    texts = {name: (source / name).read_text("utf-8") for name in _COPIED}
    texts[SETTINGS] = _with_settings((source / _EXAMPLE).read_text("utf-8"), wanted.settings())
    try:
        with ExitStack() as undo:
            _make_folder(folder, undo)
            files = {
                name: _write(folder, name, text, _COPIED.get(name, 0o644), undo)
                for name, text in sorted(texts.items())
            }
            made = _make_secrets(folder, wanted.hosts)
            undo.pop_all()
    except OSError as exc:
        raise SetupError(f"{exc.filename or folder}: cannot be written: {exc.strerror}") from exc
    settings = _settings(folder / SETTINGS)
    return ComposeFolder(
        folder=folder,
        files=files,
        secrets=made,
        settings=settings,
        ignored=tuple(
            name for name, value in wanted.settings().items() if settings.get(name) != value
        ),
    )


def _check(wanted: Wanted) -> None:
    if wanted.facts is not None and wanted.image is None:
        raise SpecError("--image-facts: of which image? name it by --image")
    for option, image in (("--image", wanted.image), ("--server-image", wanted.server_image)):
        if image is not None and not _IMAGE.fullmatch(image):
            raise SpecError(
                f"{option} {image[:300]!r}: name@sha256: and 64 hexadecimal digits, as "
                "`docker buildx imagetools inspect NAME:TAG` says them; a tag may name another "
                "image tomorrow"
            )


def _source() -> Path:
    """Return the folder of the files: in the installed package, or `docker/` in a clone."""
    package = Path(tuner.__file__).resolve().parent
    for folder in (package / "compose", package.parent / "docker"):
        if (folder / "compose.yaml").is_file():
            return folder
    raise SetupError(
        "this installation has no Compose files (an image has none); take Tuner's wheel or clone"
    )


def _with_settings(text: str, settings: Mapping[str, str]) -> str:
    for name, value in settings.items():
        text = re.sub(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
    return text


def _make_folder(folder: Path, undo: ExitStack) -> None:
    if folder.is_dir():
        return
    folder.mkdir(parents=True)
    undo.callback(folder.rmdir)


def _write(folder: Path, name: str, text: str, mode: int, undo: ExitStack) -> State:
    path = folder / name
    if path.parent != folder:
        _make_folder(path.parent, undo)
    try:
        with path.open("x", encoding="utf-8") as stream:
            undo.callback(path.unlink)
            stream.write(text)
    except FileExistsError:
        is_same = name == SETTINGS or path.read_bytes() == text.encode()
        return "kept" if is_same else "differs"
    # Containers of other users read them, too.
    path.chmod(mode)
    return "wrote"


def _make_secrets(folder: Path, hosts: Sequence[str]) -> tuple[str, ...]:
    """Run the folder's own script, which adds what is missing; return what it has added."""
    before = _names(folder / SECRETS)
    try:
        done = subprocess.run(
            ["sh", _SCRIPT, *hosts],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SCRIPT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise SetupError(f"{folder / _SCRIPT}: does not end") from exc
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2].removeprefix("secrets: ")
        raise SetupError(said[:1000] or f"{folder / _SCRIPT}: ended with {done.returncode}")
    return tuple(sorted(_names(folder / SECRETS) - before))


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _settings(path: Path) -> dict[str, str]:
    return {name: value.strip() for name, value in _SETTING.findall(path.read_text("utf-8"))}
