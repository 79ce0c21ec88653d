"""The experiment record: which columns TensorBoard's HParams tables have for a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorboard.plugins.hparams import api_pb2

from tuner.space import Parameter, SearchSpace
from tuner.space.hparams import hparam_info
from tuner.tfevents.events import objective_tag


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
    experiment = api_pb2.Experiment(
        name=study,
        hparam_infos=[_column(parameter) for parameter in space.parameters],
        metric_infos=[
            api_pb2.MetricInfo(
                name=api_pb2.MetricName(tag=objective_tag(index)),
                display_name=f"{objective_tag(index)} ({metric['name']})",
                description=f"{metric['goal']}; the value that the sampler was told",
            )
            for index, metric in enumerate(metrics)
        ],
    )
    return bytes(experiment.SerializeToString(deterministic=True))


def _column(parameter: Parameter) -> api_pb2.HParamInfo:
    """Return the column of a parameter.

    TensorBoard shows the first five columns at first, those that differ before the others: so the
    parameters that every trial has come before the conditional ones, which would empty the parallel
    coordinates of the trials without them, and before constants, which tell nothing apart.
    """
    info = hparam_info(parameter)
    info.differs = not parameter.when and parameter.size != 1
    return info
