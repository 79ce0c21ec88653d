"""What history expects of a study that has not started: the artifact that the sampler starts from.

It holds the mean of history and the main ways in which studies differ from it, as functions of a
point, the points to try first, and the data that a receipt quotes. It never holds all of history,
so a proposal costs the same whether it rests on ten trials or on a hundred thousand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tuner.surrogate.columns import Columns, Floats, Numbers
from tuner.surrogate.gaussian import kernel
from tuner.surrogate.gaussian.expansion import Expansion, Pull
from tuner.surrogate.history.foretelling import Foretelling
from tuner.surrogate.serialisation import digest, pack, unpack

_VERSION = 1


@dataclass(frozen=True, eq=False)
class NearestRows:
    """The best rows of every source in compact form: x (k, d), z (k,), row (k,), source (k,)."""

    x: Floats
    z: Floats
    row: Numbers
    source: Numbers


@dataclass(frozen=True)
class Contribution:
    """How one source contributed to a prior.

    `rows` is the number of its distinct points used (0: none); `weight` its share of the mean, from
    0 to 1; `agreement` the correlation of its model with the mean of the others, from -1 to 1
    (None: there are no others); `reason` says why it was left out, empty if it was not.
    """

    name: str
    rows: int
    weight: float
    agreement: float | None = None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Prior:
    """Made by `tuner.surrogate.history.building.build_prior`.

    Attributes:
        expansion: the features: the mean of history first, then the ways in which studies differ.
        lengths: inverse squared lengthscales of history, shape (d,), above 0.
        centre, precision: of the normal prior of the warm model's theta, shapes (4 + d,) and
            (4 + d, 4 + d); see `tuner.surrogate.history.sizing`.
        likeness: the share of a study's variance that all studies have in common, from 0 to 1.
        portfolio: points to try while nothing is known, best first, shape (k, d).
        contributions: of all sources; used ones first.
        foretelling: how well intermediate values predict final ones; None: no source has curves.
    """

    columns: Columns
    expansion: Expansion
    lengths: Floats
    centre: Floats
    precision: Floats
    likeness: float
    portfolio: Floats
    contributions: tuple[Contribution, ...]
    witnesses: NearestRows
    foretelling: Foretelling | None = None

    def features(self, x: Floats) -> Floats:
        """Return the mean and the differences at points (m, d), shape (m, 1 + r)."""
        return self.expansion(x)

    def features_and_pull(self, x: Floats) -> tuple[Floats, Pull]:
        """Return features, and a function for derivatives of sums: see `Expansion.with_pull`."""
        return self.expansion.with_pull(x)

    def mean(self, x: Floats) -> Floats:
        """Return the mean of history at points, shape (m,); smaller is better."""
        return self.features(x)[:, 0]

    @property
    def names(self) -> tuple[str, ...]:
        """The sources that were used."""
        return tuple(item.name for item in self.contributions if item.rows)

    @property
    def weights(self) -> Floats:
        """The shares of the sources that were used, in the order of `names`; their sum is 1."""
        return np.array([item.weight for item in self.contributions if item.rows])

    def nearest(self, x: Floats, count: int = 3) -> list[dict[str, Any]]:
        """Return the historic trials nearest to a point (d,), among the best ones of each source.

        Returns:
            Dicts of `source` (name), `row` (in that source), `distance` (scaled) and `score`.
        """
        seen = self.witnesses
        here = kernel.scaled(self.columns, x[None], self.lengths)
        squares = kernel.squares_between(here, self._witnessed)[0]
        return [
            {
                "source": self.contributions[int(seen.source[index])].name,
                "row": int(seen.row[index]),
                "distance": float(np.sqrt(squares[index])),
                "score": float(seen.z[index]),
            }
            for index in np.argsort(squares, kind="stable")[:count]
        ]

    @cached_property
    def _witnessed(self) -> Floats:
        return kernel.scaled(self.columns, self.witnesses.x, self.lengths)

    @cached_property
    def key(self) -> str:
        """SHA-256 of the content."""
        return digest(*self._parts())

    def to_bytes(self) -> bytes:
        """Return the prior as bytes (npz, no pickle)."""
        return pack(*self._parts())

    @classmethod
    def from_bytes(cls, content: bytes) -> Prior:
        """Invert `to_bytes`.

        Raises:
            ValueError: the bytes are damaged or of another version.
        """
        arrays, meta = unpack(content)
        if meta.get("version") != _VERSION:
            raise ValueError(f"prior of version {meta.get('version')!r}; known: {_VERSION}")
        try:
            return cls._from_parts(arrays, meta)
        except (KeyError, TypeError) as exc:
            raise ValueError(f"a packed prior lacks {exc}") from exc

    def _parts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        arrays = {
            "points": self.expansion.points,
            "expansion": self.expansion.weights,
            "expansion_lengths": self.expansion.lengths,
            "lengths": self.lengths,
            "centre": self.centre,
            "precision": self.precision,
            "portfolio": self.portfolio,
            "witness_x": self.witnesses.x,
            "witness_z": self.witnesses.z,
            "witness_row": self.witnesses.row,
            "witness_source": self.witnesses.source,
        }
        if self.foretelling is not None:
            arrays["foretelling"] = self.foretelling.correlation
        meta = {
            "version": _VERSION,
            "kinds": list(self.columns.kinds),
            "sizes": list(self.columns.sizes),
            "likeness": self.likeness,
            "sources": [
                [item.name, item.rows, item.weight, item.agreement, item.reason]
                for item in self.contributions
            ],
        }
        if self.foretelling is not None:
            meta["foretelling_trials"] = self.foretelling.trials
        return arrays, meta

    @classmethod
    def _from_parts(cls, arrays: dict[str, Any], meta: dict[str, Any]) -> Prior:
        columns = Columns(kinds=tuple(meta["kinds"]), sizes=tuple(meta["sizes"]))
        return cls(
            columns=columns,
            expansion=Expansion(
                columns=columns,
                lengths=arrays["expansion_lengths"],
                points=arrays["points"],
                weights=arrays["expansion"],
            ),
            lengths=arrays["lengths"],
            centre=arrays["centre"],
            precision=arrays["precision"],
            likeness=float(meta["likeness"]),
            portfolio=arrays["portfolio"],
            contributions=tuple(Contribution(*item) for item in meta["sources"]),
            witnesses=NearestRows(
                x=arrays["witness_x"],
                z=arrays["witness_z"],
                row=arrays["witness_row"],
                source=arrays["witness_source"],
            ),
            foretelling=(
                Foretelling(arrays["foretelling"], float(meta["foretelling_trials"]))
                if "foretelling" in arrays
                else None
            ),
        )
