"""What the histograms of `/metrics` say about a quantile."""

from __future__ import annotations

import math

from prometheus_client.parser import text_string_to_metric_families


def histogram_quantile_s(text: str, name: str, share: float, **labels: str) -> float:
    """Return about the time that `share` of what was counted did not exceed, seconds.

    As Prometheus does it: within a bucket the times are taken to be spread evenly.

    Args:
        text: the answer of `/metrics`.
        name: of the histogram, without `_bucket`.
        share: between 0 and 1.
        labels: that its samples must have.

    Returns:
        NaN when nothing was counted.
    """
    buckets = sorted(
        (float(sample.labels["le"]), sample.value)
        for family in text_string_to_metric_families(text)
        if family.name == name
        for sample in family.samples
        if sample.name == f"{name}_bucket" and labels.items() <= sample.labels.items()
    )
    total = buckets[-1][1] if buckets else 0.0
    if not total:
        return math.nan
    below_s, below = 0.0, 0.0
    for upper_s, count in buckets:
        if count >= share * total:
            if math.isinf(upper_s):
                return below_s
            return below_s + (upper_s - below_s) * (share * total - below) / (count - below)
        below_s, below = upper_s, count
    return below_s
