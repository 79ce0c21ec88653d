"""The experiment record: which columns TensorBoard's HParams tables have for a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorboard.plugins.hparams import api_pb2

from tuner.space import Parameter, SearchSpace
from tuner.space.hparams import hparam_info
from tuner.space.short_names import short_names
from tuner.tfevents.events import objective_tag

#: So many columns TensorBoard shows at first, those that differ before the others.
SHOWN = 5
#: Of all that the tab shows, names of columns alone are seen without a click.
_NEXT_DOOR = "; best first in the tab Best trials"


def encode_experiment(
    study: str, space: SearchSpace, metrics: Sequence[Mapping[str, str]]
) -> bytes:
    """Return the encoded `tensorboard.hparams.Experiment` of a study.

    Only the objectives are declared as metrics: every complete trial logs them, and TensorBoard's
    parallel coordinates leave out a trial that lacks a column.

    Args:
        study: "project/study".
        space: parameters to declare.
        metrics: name and goal of each metric, in the study's order.
    """
    first = first_columns(space.parameters)
    short = short_names(space.names)
    experiment = api_pb2.Experiment(
        name=study,
        hparam_infos=[
            _column(parameter, first, short[parameter.name]) for parameter in space.parameters
        ],
        metric_infos=[
            api_pb2.MetricInfo(
                name=api_pb2.MetricName(tag=objective_tag(index)),
                display_name=f"{objective_tag(index)} ({metric['name']})"
                + ("" if index else _NEXT_DOOR),
                description=f"{metric['goal']}; the value that the sampler was told",
            )
            for index, metric in enumerate(metrics)
        ],
    )
    return bytes(experiment.SerializeToString(deterministic=True))


def first_columns(parameters: Sequence[Parameter]) -> list[str]:
    """Return the names of the parameters that are likely to matter most, five at most.

    TensorBoard sorts columns by whether they differ, then by name, shows five, and reads the record
    once, before any trial has said which parameters matter. Numbers whose range spans decades, as
    learning rates do, come first, then the others in the order of the spec. Left out are
    conditional ones, which would empty the parallel coordinates of the trials without them, and
    constants.
    """
    tuned = [parameter for parameter in parameters if not parameter.when and parameter.size != 1]
    order = sorted(tuned, key=lambda parameter: not parameter.log)
    return [parameter.name for parameter in order[:SHOWN]]


def _column(parameter: Parameter, first: Sequence[str], shown: str) -> api_pb2.HParamInfo:
    """Return the column of a parameter, under the name that is shown."""
    info = hparam_info(parameter)
    info.differs = parameter.name in first
    info.display_name = shown
    return info
