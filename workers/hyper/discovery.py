"""Finds the search space of a hypermodel: builds without training, until all conditions occurred.

It works like KerasTuner's own `BaseTuner._activate_all_conditions`: a first build with the
defaults, then one for each conditional scope that has never been active, with the values that open
it.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Sequence
from typing import Any

from workers.hyper.book import Book
from workers.hyper.bridge import ProbeHyperParameters, TrialHyperParameters
from workers.hyper.loading import Hypermodel
from workers.hyper.problem import HypermodelError
from workers.objective.session import TrialStopped

#: Maximum number of builds: a model with more conditions names the rest in later trials.
MAX_BUILDS = 200
#: Maximum number of builds for finding a parameter that the user defined.
MAX_LOOKS = 20
#: For a model with more weights, memory is collected immediately after a build.
LARGE_PARAMETERS = 1_000_000
#: The position of the largest value of a hyperparameter in its range.
_LARGEST = 1.0 - 1e-9


def discover(hypermodel: Hypermodel, book: Book) -> list[Any]:
    """Build until every conditional scope was active once; return what the first build named.

    If a build fails after opening a condition, only the names after its failure are missed, which
    later trials will find.

    Raises:
        Exception: what the first build, with the defaults, raised.
    """
    # With the trial's values: if they do not build, the failure is theirs.
    first = _build(hypermodel, TrialHyperParameters(book))
    scopes = _Scopes(first)
    for _ in range(MAX_BUILDS - 1):
        wanted = scopes.next()
        if wanted is None:
            break
        try:
            scopes.note(_build(hypermodel, ProbeHyperParameters(book, wanted)))
        except (HypermodelError, TrialStopped):
            raise
        # User code may raise anything.
        except Exception as exc:  # noqa: BLE001
            values = ", ".join(f"{name} = {value!r}" for name, value in wanted.items())
            sys.stderr.write(f"tuner: the hypermodel cannot be built with {values}: {exc!r}\n")
    return first.named


def look_for_given(hypermodel: Hypermodel, book: Book) -> None:
    """Look for the parameters that the user defined and no build has named yet.

    A loop names `units_2` only if there are three layers: models of the largest size are built, and
    some random ones.

    Raises:
        HypermodelError: one of them is still missing.
    """
    source = random.Random(0)  # noqa: S311 - the same look finds the same  # nosec B311  # no secret
    for number in range(MAX_LOOKS):
        if not book.unmet():
            return
        draw = source.random if number else lambda: _LARGEST
        # A build that fails names fewer.
        with contextlib.suppress(Exception):
            _build(hypermodel, ProbeHyperParameters(book, draw=draw))
    if unmet := book.unmet():
        raise HypermodelError(
            f"search_space.{unmet[0]}: the hypermodel has no such hyperparameter; it has: "
            f"{', '.join(book.sources) or 'none'}"
        )


def check_names(first: Sequence[Any], second: Sequence[Any]) -> None:
    """Compare the names from two builds with the same values.

    Raises:
        HypermodelError: a hyperparameter has another name in the second.
    """
    gone = [hp for hp in first if not _twins(hp, second)]
    new = [hp for hp in second if not _twins(hp, first)]
    if gone and new:
        # The last line is shown in tables, and is the same in every trial with this fault.
        raise HypermodelError(
            f"build(hp) names {gone[0].name!r} in one call and {new[0].name!r} in the next\n"
            "build(hp) names a hyperparameter differently in each call with the same values: it "
            "needs the same name in every call"
        )


class _Scopes:
    """Which conditional scopes were active in some build. Mutable: each build adds its own."""

    def __init__(self, hp: Any) -> None:
        self._once: list[Any] = []
        self._never: list[Any] = []
        self._tried: list[Any] = []
        self.note(hp)

    def note(self, hp: Any) -> None:
        """Add the scopes of a build."""
        for conditions in hp.active_scopes:
            if conditions not in self._once:
                self._once.append(conditions)
        for conditions in hp.inactive_scopes:
            if conditions not in self._never:
                self._never.append(conditions)

    def next(self) -> dict[str, Any] | None:
        """Return values that open a scope which was never active; None if there is none left."""
        for conditions in self._never:
            if conditions not in self._once and conditions not in self._tried:
                self._tried.append(conditions)
                return {condition.name: condition.values[0] for condition in conditions}
        return None


def _build(hypermodel: Hypermodel, hp: TrialHyperParameters) -> TrialHyperParameters:
    forget_models(collect=False)
    hypermodel.declare(hp)
    is_large = _is_large(hypermodel.build(hp))
    if is_large:
        forget_models(collect=True)
    return hp


def _is_large(model: Any) -> bool:
    """Whether a model's memory must be freed before the next one is built."""
    try:
        return int(model.count_params()) > LARGE_PARAMETERS
    # Not a model, or one without weights so far.
    except Exception:  # noqa: BLE001
        return False


def forget_models(*, collect: bool) -> None:
    """Drop what Keras keeps of earlier models: names and graphs.

    Args:
        collect: whether to collect their remaining memory, which takes 0.2 s.
    """
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session(free_memory=collect)


def _twins(hp: Any, others: Sequence[Any]) -> list[Any]:
    return [o for o in others if o.name == hp.name and o.conditions == hp.conditions]
