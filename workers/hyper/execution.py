"""One trial of a hypermodel: finding its space if unknown, building, training, result."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from tuner.protocol import Found
from workers.hyper.book import Book
from workers.hyper.loading import Arguments, Hypermodel, load_arguments, load_hypermodel
from workers.hyper.problem import HypermodelError
from workers.objective.finding import HYPERMODEL
from workers.objective.numbers import describe
from workers.objective.result import ResultError, read_result
from workers.objective.run import Run


def run_hypermodel(
    objective: str,
    run: Run,
    *,
    known: Sequence[Found],
    loader: str | None,
    code_root: str | None,
    seed: Callable[[], None],
) -> Any:
    """Build and train a hypermodel with the trial's values; return a value for `read_result`.

    Args:
        objective: `hypermodel:module:Name`.
        known: the parameters that the study knows.
        loader: `module:function` that returns the arguments of `fit`.
        code_root: folder of the code snapshot.
        seed: seeds everything; called again before the model that is trained is built, so that a
            trial that first looked for conditions trains in the same way.

    Raises:
        HypermodelError: the hypermodel or the study's knowledge of it is at fault; the text says
            what to do.
        Exception: what the hypermodel raised.
    """
    hypermodel = load_hypermodel(objective.removeprefix(HYPERMODEL), code_root)
    if hypermodel.fit is None and loader is None:
        raise HypermodelError(
            f"hypermodel {hypermodel.name!r} has no fit of its own, so data for it are missing: "
            "add data: {loader: module:function} to the spec, a function that returns the "
            "arguments of fit"
        )
    book = Book(known, run.params, run.session.tell_found)
    try:
        hp, model = _build(hypermodel, book, seed)
    except HypermodelError:
        # The names from a model with this kind of fault do not form a search space.
        raise
    except BaseException:
        book.flush()
        raise
    book.flush()
    arguments = load_arguments(loader, code_root)
    seed()
    returned = _fit(hypermodel, hp, model, arguments, run)
    if book.is_new and (unmet := book.unmet()):
        sys.stderr.write(f"tuner: search_space.{unmet[0]}: this trial has not met it\n")
    return join_executions(returned, run.session.metrics)


def _build(hypermodel: Hypermodel, book: Book, seed: Callable[[], None]) -> tuple[Any, Any]:
    from workers.hyper.bridge import TrialHyperParameters
    from workers.hyper.discovery import check_names, discover, forget_models, look_for_given

    first = None
    # Before the first operation, as deterministic operations require.
    seed()
    if book.is_new:
        first = discover(hypermodel, book)
        if hypermodel.fit is None:
            look_for_given(hypermodel, book)
        forget_models(collect=True)
        seed()
    hp = TrialHyperParameters(book)
    hypermodel.declare(hp)
    model = hypermodel.build(hp)
    if first is not None:
        check_names(first, hp.named)
    _check_model(hypermodel, model)
    return hp, model


def _check_model(hypermodel: Hypermodel, model: Any) -> None:
    import keras

    if isinstance(model, keras.Model) or (model is not None and hypermodel.fit is not None):
        return
    advice = "did you forget to return it?" if model is None else "build(hp) must return a model"
    raise HypermodelError(
        f"hypermodel {hypermodel.name!r} returned {describe(model)} from build, and no Keras "
        f"model; {advice}"
    )


def _fit(hypermodel: Hypermodel, hp: Any, model: Any, arguments: Arguments, run: Run) -> Any:
    # A user-defined `fit` may return the metric as its result without reporting it to Keras.
    needs_metric = hypermodel.fit is None
    callbacks = arguments.kwargs.get("callbacks") or []
    own = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
    kwargs = {
        **arguments.kwargs,
        "callbacks": [*own, run.keras_callback(needs_metric=needs_metric)],
    }
    if hypermodel.fit is None:
        return model.fit(*arguments.args, **kwargs)
    return hypermodel.fit(hp, model, *arguments.args, **kwargs)


#: Executions of one trial at most.
MAX_EXECUTIONS = 1000


def join_executions(returned: Any, metrics: Sequence[Mapping[str, str]]) -> Any:
    """Return the result of several executions as one: the mean of each metric.

    Args:
        returned: a list of results, as KerasTuner allows it; anything else comes back as it is.
        metrics: name and goal of each metric of the study.

    Raises:
        ResultError: nothing was returned, or an entry of the list is no result.
    """
    if returned is None:
        raise ResultError(
            "the hypermodel's fit returned None; expected a Keras History, a dict of metrics or a "
            "number: did you forget to return what model.fit returned?"
        )
    if not isinstance(returned, list):
        return returned
    if not 1 <= len(returned) <= MAX_EXECUTIONS:
        raise ResultError(
            f"the hypermodel's fit returned a list of {len(returned)} results; expected 1 to "
            f"{MAX_EXECUTIONS}"
        )
    seen: dict[str, list[float]] = defaultdict(list)
    for item in returned:
        result = read_result(join_executions(item, metrics), metrics)
        own = dict(zip((metric["name"] for metric in metrics), result.values, strict=True))
        for name, value in {**result.metrics, **own}.items():
            seen[name].append(value)
    return {name: fmean(values) for name, values in seen.items()}
