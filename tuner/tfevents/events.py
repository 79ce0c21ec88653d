"""The events that a run consists of, as encoded `tensorboard.Event` messages.

Field numbers are those of TensorBoard's `event.proto`, `summary.proto`, `tensor.proto` and the
HParams plugin's `plugin_data.proto`. The status RUNNING is never written: TensorBoard keeps the
first status it sees.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from typing import Literal

from tuner.tfevents.wire import bytes_field, double_field, int_field, text_field

#: How a session ended, as far as an end record can express it.
Status = Literal["success", "failure"]

EXPERIMENT_TAG = "_hparams_/experiment"
START_TAG = "_hparams_/session_start_info"
END_TAG = "_hparams_/session_end_info"
#: The value told to the sampler; for further metrics: `objective_1`, `objective_2`, …
OBJECTIVE_TAG = "objective"

STATUS_NUMBERS: dict[Status, int] = {"success": 1, "failure": 2}

_RESERVED_TAG = re.compile(rf"{OBJECTIVE_TAG}(_\d+)?|_hparams_/.*")

_DT_FLOAT = int_field(1, 1)
_SCALAR_SHAPE = bytes_field(2, b"")
# SummaryMetadata{plugin_data{plugin_name}, data_class = SCALAR}: without it there is no curve.
_SCALAR_METADATA = bytes_field(9, bytes_field(1, text_field(1, "scalars")) + int_field(4, 1))
_DT_STRING = int_field(1, 7)
# SummaryMetadata{plugin_data{plugin_name}, data_class = TENSOR}, as `tf.summary.text` writes it.
_TEXT_METADATA = bytes_field(9, bytes_field(1, text_field(1, "text")) + int_field(4, 2))
_LAYOUT_METADATA = bytes_field(9, bytes_field(1, text_field(1, "custom_scalars")) + int_field(4, 2))
#: TensorBoard reads the layout of its custom scalars from this tag.
LAYOUT_TAG = "custom_scalars__config__"
# A float tensor of shape [0]: an HParams record carries its content in the metadata.
_NULL_TENSOR = bytes_field(8, _DT_FLOAT + bytes_field(2, bytes_field(2, int_field(1, 0))))


def version_event(time_s: float) -> bytes:
    """Return the event that every file must start with."""
    return double_field(1, time_s) + text_field(3, "brain.Event:2")


def scalars_event(values: Mapping[str, float], *, step: int, time_s: float) -> bytes:
    """Return one event with a scalar per tag; values beyond float32 become infinite."""
    return _summary_event(
        b"".join(_scalar_value(tag, value) for tag, value in values.items()), step, time_s
    )


def text_event(tag: str, text: str, *, step: int, time_s: float) -> bytes:
    """Return one event with Markdown for TensorBoard's text tab."""
    tensor = _DT_STRING + _SCALAR_SHAPE + bytes_field(8, text.encode("utf-8", "replace"))
    value = text_field(1, tag) + bytes_field(8, tensor) + _TEXT_METADATA
    return _summary_event(bytes_field(1, value), step, time_s)


def layout_event(layout: bytes, *, step: int, time_s: float) -> bytes:
    """Return one event with an encoded `tensorboard.Layout` for the custom scalars' tab."""
    tensor = _DT_STRING + _SCALAR_SHAPE + bytes_field(8, layout)
    value = text_field(1, LAYOUT_TAG) + bytes_field(8, tensor) + _LAYOUT_METADATA
    return _summary_event(bytes_field(1, value), step, time_s)


def start_event(hparams: Mapping[str, object], *, group: str, time_s: float) -> bytes:
    """Return the record that makes a run a session of the HParams plugin.

    Args:
        hparams: bool, number and str are kept; a non-finite number becomes text, because a single
            NaN makes TensorBoard answer with an error for every trial of the study; anything else
            becomes JSON text.
        group: sessions of one group share a row of the table, so each run has its own group.
        time_s: start, seconds since the epoch.
    """
    entries = (
        bytes_field(1, text_field(1, name) + bytes_field(2, _hparam_value(value)))
        for name, value in hparams.items()
    )
    info = b"".join(entries) + text_field(4, group) + double_field(5, time_s)
    return _hparams_event(START_TAG, bytes_field(3, info), 0, time_s)


def end_event(status: Status, *, step: int, time_s: float) -> bytes:
    """Return the record that ends a session."""
    info = int_field(1, STATUS_NUMBERS[status]) + double_field(2, time_s)
    return _hparams_event(END_TAG, bytes_field(4, info), step, time_s)


def experiment_event(experiment: bytes, *, step: int, time_s: float) -> bytes:
    """Return the record that declares a study's columns.

    Args:
        experiment: an encoded `tensorboard.hparams.Experiment`.
        step: of the event; below every later step, otherwise a restart mark would discard it.
        time_s: seconds since the epoch.
    """
    return _hparams_event(EXPERIMENT_TAG, bytes_field(2, experiment), step, time_s)


def restart_event(*, step: int, time_s: float) -> bytes:
    """Return the mark that the run's data from `step` on is void and will be written again."""
    return double_field(1, time_s) + int_field(2, step) + bytes_field(7, int_field(1, 1))


def objective_tag(index: int) -> str:
    """Return the tag of the metric at `index` of the study's metrics."""
    return f"{OBJECTIVE_TAG}_{index}" if index else OBJECTIVE_TAG


def curve_tag(name: str) -> str:
    """Return the tag for a metric that an objective function calls `name`.

    It is `name`, unless that would put a report into the column of the told values: a metric may be
    called "objective", and TensorBoard takes the last scalar of the tag for its table.
    """
    return f"curve/{name}" if _RESERVED_TAG.fullmatch(name) else name


def as_float32(value: float) -> float:
    """Return `value` as stored in an event file; values beyond float32 become infinite."""
    return float(struct.unpack("<f", _pack_float32(value))[0])


def _pack_float32(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", math.inf if value > 0 else -math.inf)


def _scalar_value(tag: str, value: float) -> bytes:
    tensor = _DT_FLOAT + _SCALAR_SHAPE + bytes_field(5, _pack_float32(value))
    return bytes_field(1, text_field(1, tag) + bytes_field(8, tensor) + _SCALAR_METADATA)


def _hparam_value(value: object) -> bytes:
    """Return `value` as a `google.protobuf.Value`."""
    if isinstance(value, bool):
        return int_field(4, value)
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return text_field(3, str(value))
        return double_field(2, number) if math.isfinite(number) else text_field(3, str(number))
    if isinstance(value, str):
        return text_field(3, value)
    return text_field(3, json.dumps(value, default=str))


def _hparams_event(tag: str, content: bytes, step: int, time_s: float) -> bytes:
    # HParamsPluginData.version is 0, which proto3 omits.
    metadata = bytes_field(1, text_field(1, "hparams") + bytes_field(2, content))
    value = text_field(1, tag) + _NULL_TENSOR + bytes_field(9, metadata)
    return _summary_event(bytes_field(1, value), step, time_s)


def _summary_event(summary: bytes, step: int, time_s: float) -> bytes:
    return double_field(1, time_s) + int_field(2, step) + bytes_field(5, summary)
