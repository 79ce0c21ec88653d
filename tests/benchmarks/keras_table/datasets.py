"""The datasets of the table: those that scikit-learn bundles, and generated ones.

At most 800 rows are trained on and 400 validate; inputs and numeric targets are standardised by
the training rows. Everything follows from the name of a dataset, so that it is the same anywhere.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets as sk

Kind = Literal["classes", "number"]
Floats = NDArray[np.float64]
#: Inputs (n, features) and targets (n,): class indices, or numbers.
_Rows = tuple[Floats, NDArray[np.int64] | Floats]

TRAINING_ROWS = 800
VALIDATION_ROWS = 400
#: All datasets are padded to these widths, so that one compiled network serves them all.
MOST_FEATURES = 64
MOST_CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset that is split; `x` is (n, features) float32, `y` (n,): int32 classes or float32."""

    name: str
    about: str
    kind: Kind
    #: Number of classes; 1 for a numeric target.
    outputs: int
    x_train: NDArray[np.float32]
    y_train: NDArray[np.int32] | NDArray[np.float32]
    x_val: NDArray[np.float32]
    y_val: NDArray[np.int32] | NDArray[np.float32]

    @property
    def features(self) -> int:
        """Number of inputs."""
        return int(self.x_train.shape[1])


@dataclass(frozen=True)
class Recipe:
    """How a dataset comes about."""

    kind: Kind
    about: str
    rows: Callable[[np.random.Generator], _Rows]


def load_dataset(name: str) -> Dataset:
    """Return the dataset `name` of `RECIPES`, shuffled, split and standardised.

    Raises:
        KeyError: there is no such dataset.
    """
    recipe = RECIPES[name]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    x, y = recipe.rows(rng)
    order = rng.permutation(len(x))
    train_rows = min(TRAINING_ROWS, 2 * len(x) // 3)
    train, val = order[:train_rows], order[train_rows : train_rows + VALIDATION_ROWS]
    inputs = _standardised(x, train).astype(np.float32)
    if recipe.kind == "number":
        targets = _standardised(y.astype(np.float64), train).astype(np.float32)
        outputs = 1
    else:
        targets = y.astype(np.int32)
        outputs = int(y.max()) + 1
    return Dataset(
        name=name,
        about=recipe.about,
        kind=recipe.kind,
        outputs=outputs,
        x_train=inputs[train],
        y_train=targets[train],
        x_val=inputs[val],
        y_val=targets[val],
    )


def _standardised(values: Floats, train: NDArray[np.int64]) -> Floats:
    deviation = values[train].std(axis=0)
    # A pixel that is always empty has no deviation.
    scaled: Floats = (values - values[train].mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return scaled


def _bundled(load: Callable[..., _Rows]) -> Callable[[np.random.Generator], _Rows]:
    return lambda _: load(return_X_y=True)


def _made(make: Callable[..., _Rows], **options: object) -> Callable[[np.random.Generator], _Rows]:
    rows = TRAINING_ROWS + VALIDATION_ROWS
    return lambda rng: make(n_samples=rows, random_state=int(rng.integers(2**31)), **options)


def _spirals(rng: np.random.Generator) -> _Rows:
    arm = rng.integers(2, size=1200)
    turn = np.sqrt(rng.uniform(0.02, 1.0, size=1200)) * 3.5 * np.pi
    angle = turn + np.pi * arm
    points = np.stack([turn * np.cos(angle), turn * np.sin(angle)], axis=1)
    return points + rng.normal(0.0, 0.5, points.shape), arm


def _parity(rng: np.random.Generator) -> _Rows:
    inputs = rng.normal(size=(1200, 8))
    return inputs, (inputs[:, :3] > 0).sum(axis=1) % 2


def _counts(rng: np.random.Generator) -> _Rows:
    topics = rng.dirichlet(np.full(MOST_FEATURES, 0.15), size=6)
    topic = rng.integers(6, size=900)
    # A text is half about its topic and half about everything.
    words = 0.5 * topics[topic] + 0.5 * topics.mean(axis=0)
    return np.log1p(rng.poisson(25 * words)).astype(np.float64), topic


def _series(rng: np.random.Generator) -> _Rows:
    lags, length = 24, 900
    time = np.arange(length)
    noise = np.zeros(length)
    for index in range(1, length):
        noise[index] = 0.7 * noise[index - 1] + rng.normal(0.0, 0.25)
    values = np.sin(time / 3.7) + 0.6 * np.sin(time / 11.3 + 1.0) * np.cos(time / 29.0) + noise
    windows = np.lib.stride_tricks.sliding_window_view(values, lags + 1)
    return windows[:, :lags], windows[:, lags]


def _waves(rng: np.random.Generator) -> _Rows:
    shape = rng.integers(4, size=1200)
    phase = rng.uniform(0.0, 1.0, size=(1200, 1)) + np.arange(32) / 32 * rng.uniform(
        1.0, 2.0, size=(1200, 1)
    )
    sine = np.sin(2 * np.pi * phase)
    saw = 2 * (phase % 1) - 1
    waves = np.stack([sine, np.sign(sine), saw, 2 * np.abs(saw) - 1])
    clean = waves[shape, np.arange(1200)]
    return clean + rng.normal(0.0, 0.3, clean.shape), shape


#: To add one: a line here. The table has to be made anew for it (README.md).
RECIPES: dict[str, Recipe] = {
    "digits": Recipe("classes", "images of 8 x 8 pixels, bundled", _bundled(sk.load_digits)),
    "wine": Recipe("classes", "178 wines, chemical analysis, bundled", _bundled(sk.load_wine)),
    "breast_cancer": Recipe("classes", "569 biopsies, bundled", _bundled(sk.load_breast_cancer)),
    "iris": Recipe("classes", "150 flowers, bundled", _bundled(sk.load_iris)),
    "diabetes": Recipe("number", "442 patients, very noisy, bundled", _bundled(sk.load_diabetes)),
    "moons": Recipe("classes", "two half moons that overlap", _made(sk.make_moons, noise=0.3)),
    "spirals": Recipe("classes", "two spirals of 1.75 turns, with noise", _spirals),
    "parity": Recipe("classes", "whether 3 of 8 numbers have an odd number of plus signs", _parity),
    "friedman1": Recipe("number", "10 inputs, 5 of use", _made(sk.make_friedman1, noise=1.0)),
    "friedman2": Recipe("number", "impedance of a circuit", _made(sk.make_friedman2, noise=60.0)),
    "friedman3": Recipe("number", "phase of a circuit", _made(sk.make_friedman3, noise=0.1)),
    "sparse_linear": Recipe(
        "number",
        "linear, 6 of 60 inputs of use",
        _made(sk.make_regression, n_features=60, n_informative=6, noise=40.0),
    ),
    "classes_easy": Recipe(
        "classes",
        "4 classes far apart",
        _made(sk.make_classification, n_features=20, n_informative=8, n_classes=4, class_sep=1.5),
    ),
    "classes_hard": Recipe(
        "classes",
        "8 classes close together, 15 % of the labels wrong",
        _made(
            sk.make_classification,
            n_features=40,
            n_informative=10,
            n_classes=8,
            n_clusters_per_class=2,
            flip_y=0.15,
        ),
    ),
    "imbalanced": Recipe(
        "classes",
        "two classes, one of 6 %",
        _made(
            sk.make_classification,
            n_features=20,
            n_informative=6,
            n_clusters_per_class=3,
            weights=[0.94],
            flip_y=0.01,
        ),
    ),
    "counts": Recipe("classes", "counts of 64 words in texts on 6 topics", _counts),
    "series": Recipe("number", "the next value of a noisy time series from 24 before", _series),
    "waves": Recipe("classes", "4 wave forms of random phase and frequency, noisy", _waves),
}
