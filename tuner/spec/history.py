"""The key `history`: which earlier studies and imported runs this study may learn from.

`auto` takes everything that matches, `none` nothing; a list names studies (`project/name`), paths
of imports, and `auto` for what is found in addition. `tuner.spec.reading.history` reads it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from tuner.protocol import NAME_PATTERN
from tuner.space.value import MAX_TEXT
from tuner.spec.rules import Number
from tuner.spec.section import Section

MAX_RENAMES = 500
MAX_WEIGHT = 100

_STUDY = re.compile(rf"{NAME_PATTERN}/{NAME_PATTERN}")
#: The key of an import, as `tuner history list` shows it.
_KEY = re.compile(r"[a-z0-9-]{1,80}-[0-9a-f]{8}")
#: A database that is a file; `#` separates the name of a study.
_FILE_URL = re.compile(r"(?P<scheme>sqlite(\+\w+)?:///)(?P<path>[^#?:]+)(?P<name>#.*)?")
_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
#: Where a URL may hold a secret, `user:password@` and the query, and what to show instead.
_SECRETS = (
    (re.compile(r"://[^/?#]*:[^/?#]*@"), "://…:…@"),
    (re.compile(r"(://[^?#]*)\?.*", re.DOTALL), r"\1?…"),
)


def is_study(word: str) -> bool:
    """Whether a word has the form `project/name`; a folder with such a path is written `./a/b`."""
    return _STUDY.fullmatch(word) is not None


def is_url(path: str) -> bool:
    """Whether an entry of history is a database or store rather than a file."""
    return _URL.match(path) is not None


def without_passwords(given: Any) -> Any:
    """Return a spec's value with the passwords in its URLs hidden; such a URL is refused."""
    if isinstance(given, str):
        for secret, shown in _SECRETS:
            given = secret.sub(shown, given)
        return given
    if isinstance(given, list):
        return [without_passwords(item) for item in given]
    if isinstance(given, Mapping):
        return {key: without_passwords(value) for key, value in given.items()}
    return given


def _check_path(value: str) -> str:
    # A URL that had a secret arrives here without it and is refused all the same.
    if not value.isprintable() or any(secret.search(value) for secret, _ in _SECRETS):
        raise ValueError
    return value


def _check_rename(value: dict[str, str | None]) -> dict[str, str | None]:
    if not all(0 < len(old) <= MAX_TEXT and old.isprintable() for old in value):
        raise ValueError
    return value


_StudyName = Annotated[str, Field(pattern=f"^({_STUDY.pattern}|{_KEY.pattern})$")]
_Place = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_check_path)]
_Renames = Annotated[
    dict[str, str | None], Field(max_length=MAX_RENAMES), AfterValidator(_check_rename)
]


class HistoryItem(Section):
    """One place of history. Exactly one of `study`, `path` and `auto` is given."""

    study: _StudyName | None = Field(
        default=None,
        description="a study as project/name, as vision/digits-mlp, or the key of an import",
    )
    #: An absolute path or a URL, once the spec was loaded from its file.
    path: _Place | None = Field(
        default=None,
        description="a file, a folder, or a URL without password and query, as ../old-logs",
    )
    auto: Literal[True] | None = Field(
        default=None, description="true: whatever is found that can inform this study"
    )
    weight: Number = Field(
        default=1.0,
        ge=0,
        le=MAX_WEIGHT,
        description=f"a number from 0 to {MAX_WEIGHT}: how much it counts; 0: it is never used",
    )
    rename: _Renames = Field(
        default={},
        description="names there to names of this study, as {lr: train.learning_rate}; null: it "
        f"is none of them; at most {MAX_RENAMES}",
    )

    @property
    def place(self) -> str:
        """The study, the path, or `auto`."""
        return self.study or self.path or "auto"


#: In the order of the spec; empty: `none`.
History = tuple[HistoryItem, ...]
AUTO: History = (HistoryItem(auto=True),)


def history_json(history: History) -> str | list[dict[str, Any]]:
    """Return the history in its canonical form: `auto`, `none`, or a list of mappings."""
    if history == AUTO:
        return "auto"
    return [item.model_dump(exclude_defaults=True) for item in history] or "none"


def resolve_paths(history: History, folder: Path) -> History:
    """Return the history with its paths made absolute, relative to `folder`."""
    return tuple(
        item if item.path is None else item.model_copy(update={"path": _resolve(item.path, folder)})
        for item in history
    )


def _resolve(path: str, folder: Path) -> str:
    file = _FILE_URL.fullmatch(path)
    if file is not None:
        return f"{file['scheme']}{os.path.realpath(folder / file['path'])}{file['name'] or ''}"
    if is_url(path):
        return path
    try:
        home = Path(path).expanduser()
    except RuntimeError:  # `~somebody`, who is not known here
        home = Path(path)
    # Not `Path.resolve`, which raises if links form a loop.
    return os.path.realpath(folder / home)


def unresolved_paths(history: Sequence[HistoryItem]) -> list[int]:
    """Return the positions of relative paths, which are meaningless without the spec's folder."""
    named = ((index, item.path) for index, item in enumerate(history) if item.path is not None)
    return [index for index, path in named if not is_url(path) and not Path(path).is_absolute()]
