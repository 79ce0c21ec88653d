"""Names of hyperparameters: KerasTuner takes any text, a study takes dotted words."""

from __future__ import annotations

import re
from collections.abc import Collection

#: Letters of a parameter's name in a study.
MAX_NAME = 100
#: Letters of a hyperparameter's own name that travel with it.
MAX_SOURCE = 300
_NO_WORD = re.compile(r"[^A-Za-z0-9_]+")


def dotted(source: str) -> str:
    """Return a hyperparameter's name as dotted words: `block/units 1` is `block.units_1`."""
    parts = [_word(part) for part in re.split(r"[./]", source)]
    return ".".join(part for part in parts if part)[:MAX_NAME].rstrip(".") or "_"


def free_name(source: str, condition: object, taken: Collection[str]) -> str:
    """Return the name in the study of a hyperparameter.

    Args:
        source: its own name.
        condition: the value of its innermost condition, None when it has none: what tells it from
            another one of its name.
        taken: names that others have.
    """
    name = dotted(source)
    if name not in taken:
        return name
    if condition is not None:
        value = _word(str(condition)) or "_"
        name = f"{name[: MAX_NAME - 20]}.{value[:19]}"
    base, number = name[: MAX_NAME - 8], 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def _word(text: str) -> str:
    word = _NO_WORD.sub("_", text).strip("_") if not text.isidentifier() else text
    return f"_{word}" if word[:1].isdigit() else word
