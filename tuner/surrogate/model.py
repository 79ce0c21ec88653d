"""The interface of every model of an objective. Values are on the z scale: smaller is better."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from tuner.surrogate.columns import Floats

#: Step of central differences in a unit cube: the cube root of the machine precision, which
#: minimizes their error.
_STEP = 6e-6


class Model(Protocol):
    """A posterior over the objective, fitted to n observations."""

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the objective, without noise.

        Args:
            x: points, shape (m, d), NaN where inactive or unknown.

        Returns:
            Two arrays of shape (m,); the deviations are above 0.
        """

    def condition(self, x: Floats, z: Floats) -> Model:
        """Return the model conditioned on the objective at more points; same hyperparameters.

        Args:
            x: points, shape (k, d).
            z: the objective there without noise, shape (k,).
        """

    @property
    def scatter(self) -> float:
        """Variance of a trial's value around the objective: the noise."""

    def loo(self) -> tuple[Floats, Floats]:
        """Return mean and variance of each observation, predicted from the others.

        The variance includes the noise. Both arrays have shape (n,), in the order of the
        observations. Source: Rasmussen & Williams (2006), eq. 5.12.
        """


@runtime_checkable
class Smooth(Protocol):
    """A model with analytic derivatives."""

    def slopes(self, x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return mean, standard deviation and the derivatives of both.

        Args:
            x: points, shape (m, d).

        Returns:
            Arrays of shape (m,), (m,), (m, d) and (m, d); 0 for choices and inactive entries.
        """


def slopes(model: Model, x: Floats, moving: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return what `Smooth.slopes` returns, by central differences if the model lacks it.

    Args:
        model: any model.
        x: points, shape (m, d).
        moving: columns whose derivatives are wanted, a mask of shape (m, d); 0 elsewhere.
    """
    if isinstance(model, Smooth):
        mean, std, mean_slope, std_slope = model.slopes(x)
        return mean, std, mean_slope * moving, std_slope * moving
    rows, columns = np.nonzero(moving)
    steps = np.zeros((len(rows), x.shape[1]))
    steps[np.arange(len(rows)), columns] = _STEP
    mean, std = model.predict(np.concatenate([x, x[rows] + steps, x[rows] - steps]))
    slopes_of = []
    for value in (mean, std):
        above, below = np.split(value[len(x) :], 2)
        slope = np.zeros(x.shape)
        slope[rows, columns] = (above - below) / (2 * _STEP)
        slopes_of.append(slope)
    return mean[: len(x)], std[: len(x)], slopes_of[0], slopes_of[1]
