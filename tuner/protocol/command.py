"""Placeholders in the arguments of a command: `--lr={train.learning_rate}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

#: Placeholders besides the parameters; a parameter of the same name takes precedence.
COMMAND_WORDS = ("seed", "trial", "attempt", "run_dir", "checkpoint_dir", "params", "devices")

#: A name in braces; double braces and braces around anything else are kept literally.
_PLACE = re.compile(r"\{\{([^{}]*)\}\}|\{([A-Za-z_][A-Za-z0-9_.]*)\}")


def places(text: str) -> Iterator[str]:
    """Yield the names in single braces."""
    for found in _PLACE.finditer(text):
        if found[2] is not None:
            yield found[2]


def fill_places(text: str, value: Callable[[str], str]) -> str:
    """Return the text with each name in single braces replaced by `value(name)`."""

    def replace(found: re.Match[str]) -> str:
        return f"{{{found[1]}}}" if found[2] is None else value(found[2])

    return _PLACE.sub(replace, text)


def is_one_place(text: str) -> bool:
    """Return whether a text is nothing but one name in single braces."""
    found = _PLACE.fullmatch(text)
    return found is not None and found[2] is not None
