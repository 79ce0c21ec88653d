"""Search spaces declared by other tools, as far as ours can express them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tuner.errors import SpecError
from tuner.history.store.cleaning import clean_text
from tuner.space import Parameter, SearchSpace


@dataclass(frozen=True, kw_only=True)
class Declared:
    """The content of an HParams experiment record."""

    #: None if it declares no domain: a column without one provides only a name.
    space: SearchSpace | None = None
    #: By their names here: `validation/epoch_loss`.
    metrics: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_experiment(experiment: bytes | None) -> Declared:
    """Return the content of an experiment record; empty if there is none."""
    if experiment is None:
        return Declared()
    from google.protobuf.message import DecodeError
    from tensorboard.plugins.hparams import api_pb2

    from tuner.space.hparams import from_hparam_info

    try:
        record = api_pb2.Experiment.FromString(experiment)
    except DecodeError:
        return Declared(notes=("the experiment record is damaged",))
    parameters: list[Parameter] = []
    notes: list[str] = []
    for info in record.hparam_infos:
        if not info.WhichOneof("domain"):
            continue
        try:
            parameters.append(from_hparam_info(info))
        except (ValueError, TypeError) as exc:
            notes.append(clean_text(f"{info.name}: {exc}", 200))
    space, more = checked_space(parameters)
    names = (f"{info.name.group}/{info.name.tag}".lstrip("/") for info in record.metric_infos)
    return Declared(space=space, metrics=tuple(names), notes=(*notes, *more))


def checked_space(parameters: Iterable[Parameter]) -> tuple[SearchSpace | None, list[str]]:
    """Return the space of the parameters that are valid here, None if there are none, and notes.

    A condition on a parameter that was left out is left out as well.
    """
    kept: dict[str, Parameter] = {}
    notes: list[str] = []
    for parameter in parameters:
        alone = SearchSpace(parameters=(_without_conditions(parameter),))
        try:
            SearchSpace.from_json(alone.to_json())
        except (SpecError, ValueError, TypeError):
            notes.append(
                clean_text(f"{parameter.name}: its range is not one that a space has", 200)
            )
            continue
        kept[parameter.name] = parameter
    try:
        space = SearchSpace(parameters=tuple(kept.values()))
        return (SearchSpace.from_json(space.to_json()) if kept else None), notes
    except (SpecError, ValueError):
        notes.append("its conditions are not kept")
        flat = tuple(_without_conditions(parameter) for parameter in kept.values())
        return SearchSpace(parameters=flat), notes


def _without_conditions(parameter: Parameter) -> Parameter:
    return replace(parameter, when=())
