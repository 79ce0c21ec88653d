"""The charts of a study in TensorBoard's custom scalars: best so far, and each metric's curves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tensorboard.plugins.custom_scalar import layout_pb2

from tuner.tfevents.events import curve_tag


def encode_layout(metrics: Sequence[Mapping[str, str]]) -> bytes:
    """Return the encoded `tensorboard.Layout` of a study.

    Args:
        metrics: name and goal of each metric, in the study's order.
    """
    study = [
        _chart(_numbered("Best so far", index, metrics), [_numbered("study/best_so_far", index)])
        for index in range(len(metrics))
    ]
    study += [
        _chart(_numbered("Objective", index, metrics), [_numbered("study/objective", index)])
        for index in range(len(metrics))
    ]
    trials = [_chart(metric["name"], [curve_tag(metric["name"])]) for metric in metrics]
    layout = layout_pb2.Layout(
        category=[
            layout_pb2.Category(title="The study, by trial number", chart=study),
            layout_pb2.Category(title="Trials, by step", chart=trials, closed=True),
        ]
    )
    return bytes(layout.SerializeToString(deterministic=True))


def _numbered(tag: str, index: int, metrics: Sequence[Mapping[str, str]] | None = None) -> str:
    if metrics is not None:
        return f"{tag} ({metrics[index]['name']})"
    return f"{tag}_{index}" if index else tag


def _chart(title: str, tags: Sequence[str]) -> layout_pb2.Chart:
    # TensorBoard takes them as regular expressions, found at the beginning of a tag.
    patterns = [f"^{re.escape(tag)}$" for tag in tags]
    return layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=patterns))
