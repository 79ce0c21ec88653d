"""The experiment record: the columns of TensorBoard's HParams tables for a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorboard.plugins.hparams import api_pb2

from tuner.space import Parameter, SearchSpace
from tuner.space.hparams import hparam_info
from tuner.space.short_names import short_names
from tuner.tfevents.events import objective_tag

#: Number of columns that TensorBoard shows at first, starting with those that differ.
SHOWN = 5
#: In the tab, only the names of columns are visible without a click.
_NEXT_DOOR = "; best first in the tab Best trials"


def encode_experiment(
    study: str, space: SearchSpace, metrics: Sequence[Mapping[str, str]]
) -> bytes:
    """Return the encoded `tensorboard.hparams.Experiment` of a study.

    Only the objectives are declared as metrics: every complete trial logs them, and TensorBoard's
    parallel coordinates omit trials that lack a column.

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
    """Return the names of the parameters likely to matter most, at most five.

    TensorBoard sorts columns by whether they differ, then by name, shows five, and reads the record
    only once, before any trial has shown which parameters matter. Numbers whose range spans
    decades, such as learning rates, come first, then the others in the order of the spec. Constants
    are left out, and so are conditional parameters, which would remove the trials without them from
    the parallel coordinates.
    """
    tuned = [parameter for parameter in parameters if not parameter.when and parameter.size != 1]
    order = sorted(tuned, key=lambda parameter: not parameter.log)
    return [parameter.name for parameter in order[:SHOWN]]


def _column(parameter: Parameter, first: Sequence[str], shown: str) -> api_pb2.HParamInfo:
    """Return the column of a parameter, under its displayed name."""
    info = hparam_info(parameter)
    info.differs = parameter.name in first
    info.display_name = shown
    return info
