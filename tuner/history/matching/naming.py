"""Matches the parameters of an earlier study to this one's by their names.

User-declared and identical names are certain. All others are guesses, each made only if nothing
else matches as well; the receipt lists them.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.history.matching.name_words import meaning
from tuner.spec.advice import ABBREVIATIONS

#: From the most certain to the least.
How = Literal["declared", "same", "spelling", "scope", "abbreviation", "meaning"]
Renames = Mapping[str, str | None]

#: Sections of a configuration that say nothing about a parameter.
_GENERIC = frozenset(
    (
        *("train", "training", "trainer", "optimizer", "optimiser", "optim", "opt"),
        *("hp", "hparam", "hparams", "param", "params", "parameters", "hyperparameters"),
        *("config", "cfg", "args", "model", "net", "network"),
    )
)
_FULL = {word: full.rpartition(".")[2] for word, full in ABBREVIATIONS.items()}
#: Further pairs of words for the same thing, in addition to the abbreviations of `tuner check`.
_ALSO = {
    "batch": "batch_size",
    "batchsize": "batch_size",
    "dropout": "dropout_rate",
    "learn_rate": "learning_rate",
    "optim": "optimizer",
    "optimiser": "optimizer",
    "regularization": "regularisation",
}
_COUNT = re.compile(r"(n|num|number_of|nb)_(?=.)")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, kw_only=True)
class Match:
    """A parameter of the earlier study, and how it was matched."""

    source: str
    how: How

    @property
    def is_guess(self) -> bool:
        """Whether it might be another parameter."""
        return self.how in ("scope", "abbreviation", "meaning")


@dataclass(frozen=True, kw_only=True)
class Matches:
    """The result of matching.

    Attributes:
        found: by name here.
        hints: for names here without a counterpart: possible candidates, in words.
        extra: names there without a counterpart here.
    """

    found: Mapping[str, Match]
    hints: Mapping[str, str]
    extra: tuple[str, ...]


def match_names(there: Iterable[str], here: Sequence[str], renames: Renames) -> Matches:
    """Return which names there correspond to which ones here; each is used once.

    Args:
        there: names in the earlier study.
        here: names of this study's parameters.
        renames: the user's renames, there to here; None: it is none of them.
    """
    names = sorted(set(there))
    found = _declared(names, here, renames)
    left = [name for name in names if name not in renames]
    for name in here:
        if name not in found and name in left:
            found[name] = Match(source=name, how="same")
    rivals: dict[str, list[str]] = {}
    levels: tuple[tuple[How, _Alike], ...] = (
        ("spelling", _is_spelled_alike),
        ("scope", _has_same_word),
        ("abbreviation", _means_same_word),
        ("meaning", _means_same),
    )
    for how, is_alike in levels:
        _guess(how, is_alike, left, here, found, rivals)
    taken = {match.source for match in found.values()}
    extra = tuple(name for name in names if name not in taken)
    open_names = [name for name in extra if name not in renames]
    hints = {n: _hint(n, rivals.get(n, []), open_names) for n in here if n not in found}
    return Matches(found=found, hints={k: v for k, v in hints.items() if v}, extra=extra)


_Alike = Callable[["_Words", "_Words"], bool]


@dataclass(frozen=True)
class _Words:
    """A name taken apart: `optimizer/learningRate` is (optimizer,) and learning_rate."""

    scope: tuple[str, ...]
    word: str

    @property
    def joined(self) -> str:
        return "_".join((*self.scope, self.word))

    @property
    def full(self) -> str:
        """The word with abbreviations expanded."""
        word = _COUNT.sub("", self.word)
        return _FULL.get(word) or _ALSO.get(word) or word

    @functools.cached_property
    def meaning(self) -> frozenset[str]:
        """The meaning of all its words."""
        return meaning(self.joined.split("_"))


def split_name(name: str) -> list[str]:
    """Return the parts of a name in lower case, with camel case as words joined by `_`."""
    parts = (_CAMEL.sub("_", part) for part in re.split(r"[./:\\]+", name))
    plain = (re.sub(r"[\s\-_]+", "_", part).strip("_").lower() for part in parts)
    return [part for part in plain if part] or [name.lower()]


@functools.lru_cache(maxsize=4096)
def _words(name: str) -> _Words:
    *scope, word = split_name(name)
    return _Words(tuple(scope), word)


def _declared(names: Collection[str], here: Collection[str], renames: Renames) -> dict[str, Match]:
    found: dict[str, Match] = {}
    for old, new in renames.items():
        if new is not None and old in names and new in here and new not in found:
            found[new] = Match(source=old, how="declared")
    return found


def _guess(
    how: How,
    is_alike: _Alike,
    left: Sequence[str],
    here: Sequence[str],
    found: dict[str, Match],
    rivals: dict[str, list[str]],
) -> None:
    """Add the pairs that match and have no rival; record the rivals of the others."""
    taken = {match.source for match in found.values()}
    theirs = [(name, _words(name)) for name in left if name not in taken]
    ours = [(name, _words(name)) for name in here if name not in found]
    pairs = [(new, old) for new, mine in ours for old, other in theirs if is_alike(mine, other)]
    of_new, of_old = Counter(new for new, _ in pairs), Counter(old for _, old in pairs)
    for new, old in pairs:
        if of_new[new] == 1 and of_old[old] == 1:
            found[new] = Match(source=old, how=how)
        else:
            rivals.setdefault(new, []).append(old)


def _is_spelled_alike(mine: _Words, other: _Words) -> bool:
    return mine.joined == other.joined


def _has_same_word(mine: _Words, other: _Words) -> bool:
    return mine.word == other.word and _fits(mine.scope, other.scope)


def _means_same_word(mine: _Words, other: _Words) -> bool:
    return mine.full == other.full and _fits(mine.scope, other.scope)


def _means_same(mine: _Words, other: _Words) -> bool:
    return mine.meaning == other.meaning


def _fits(mine: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two scopes may be the same: not `encoder` and `decoder`, but `train` and none."""
    if not mine or not other or mine[-len(other) :] == other or other[-len(mine) :] == mine:
        return True
    return _telling(mine) == _telling(other)


def _telling(scope: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in scope if word not in _GENERIC)


def _hint(name: str, rivals: Sequence[str], open_names: Sequence[str]) -> str:
    near = [old for old in rivals if old in open_names]
    if not near:
        by_word = {_words(old).joined: old for old in open_names}
        close = difflib.get_close_matches(_words(name).joined, list(by_word), n=1, cutoff=0.75)
        near = [by_word[word] for word in close]
    if not near:
        return ""
    return f"perhaps {' or '.join(sorted(set(near)))}: declare it with rename"
