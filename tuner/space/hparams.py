"""A parameter as TensorBoard's HParams tab sees it, and back.

HParams supports intervals of numbers and lists of values. What it cannot express (log scale, steps,
whole numbers, order, conditions) is our definition in the description, shown as a tooltip.
"""

from __future__ import annotations

import json

from google.protobuf import struct_pb2
from tensorboard.plugins.hparams import api_pb2

from tuner.space.conditions import read_when
from tuner.space.definition import parse, to_json
from tuner.space.parameter import Parameter
from tuner.space.problem import Problems
from tuner.space.value import Value
from tuner.tfevents.hparams import is_text, text_of


def hparam_info(parameter: Parameter) -> api_pb2.HParamInfo:
    """Return the column that declares `parameter`."""
    info = api_pb2.HParamInfo(
        name=parameter.name,
        description=json.dumps(to_json(parameter), ensure_ascii=False),
        type=_data_type(parameter),
        differs=parameter.size != 1,
    )
    if parameter.kind not in ("float", "int"):
        info.domain_discrete.CopyFrom(_list_value(_ends(parameter)))
    elif info.type == api_pb2.DATA_TYPE_FLOAT64:
        low, high = parameter.bounds
        info.domain_interval.min_value, info.domain_interval.max_value = float(low), float(high)
    # Without a list of texts, TensorBoard filters by substring.
    return info


def from_hparam_info(info: api_pb2.HParamInfo) -> Parameter:
    """Return the parameter of a column; for a foreign column, what its domain says.

    Raises:
        ValueError: the column has no domain, or an empty one.
    """
    declared = _from_description(info)
    if declared is not None:
        return declared
    if info.HasField("domain_interval"):
        low, high = info.domain_interval.min_value, info.domain_interval.max_value
        if low == high:
            return Parameter(name=info.name, kind="fixed", value=low)
        return _parse(info.name, {"type": "float", "low": low, "high": high})
    values = [_plain(value) for value in info.domain_discrete.values]
    if len(values) == 1:
        return _parse(info.name, {"type": "fixed", "value": values[0]})
    if info.type == api_pb2.DATA_TYPE_BOOL and len(values) == 2:
        return Parameter(name=info.name, kind="bool")
    return _parse(info.name, {"type": "categorical", "values": values})


def _ends(parameter: Parameter) -> tuple[Value, ...]:
    """Return the choices of a parameter, or the ends of its range."""
    if parameter.values:
        return parameter.values
    return (parameter.at(0),) if parameter.kind == "fixed" else parameter.bounds


def _data_type(parameter: Parameter) -> int:
    values = _ends(parameter)
    if is_text(values) or isinstance(values[0], str):
        return int(api_pb2.DATA_TYPE_STRING)
    return int(api_pb2.DATA_TYPE_BOOL if isinstance(values[0], bool) else api_pb2.DATA_TYPE_FLOAT64)


def _list_value(values: tuple[Value, ...]) -> struct_pb2.ListValue:
    listed = struct_pb2.ListValue()
    listed.extend([text_of(value, values) if is_text(values) else value for value in values])
    return listed


def _plain(value: struct_pb2.Value) -> Value | None:
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = float(value.number_value)
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return bool(value.bool_value)
    return str(value.string_value) if kind == "string_value" else None


def _from_description(info: api_pb2.HParamInfo) -> Parameter | None:
    """Return the parameter that the description defines; None if it is ordinary prose."""
    try:
        data = json.loads(info.description)
    except ValueError:
        return None
    problems = Problems()
    parameter = parse(info.name, data, (), problems)
    return None if parameter is None else read_when(parameter, data)


def _parse(name: str, data: dict[str, object]) -> Parameter:
    problems = Problems()
    parameter = parse(name, data, (name,), problems)
    if parameter is None:
        raise ValueError("; ".join(problem.text for problem in problems))
    return parameter
