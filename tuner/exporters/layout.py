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
        _chart(f"{title} ({metric['name']})", f"{tag}_{index}" if index else tag)
        for title, tag in (("Best so far", "study/best_so_far"), ("Objective", "study/objective"))
        for index, metric in enumerate(metrics)
    ]
    trials = [_chart(metric["name"], curve_tag(metric["name"])) for metric in metrics]
    layout = layout_pb2.Layout(
        category=[
            layout_pb2.Category(title="The study, by trial number", chart=study),
            layout_pb2.Category(title="Trials, by step", chart=trials, closed=True),
        ]
    )
    return bytes(layout.SerializeToString(deterministic=True))


def _chart(title: str, tag: str) -> layout_pb2.Chart:
    # TensorBoard takes it as a regular expression, found at the beginning of a tag.
    content = layout_pb2.MultilineChartContent(tag=[f"^{re.escape(tag)}$"])
    return layout_pb2.Chart(title=title, multiline=content)
