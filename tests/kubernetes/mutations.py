"""Wrong manifests, each made from a good one by one change; none of them may pass."""

from __future__ import annotations

from dataclasses import dataclass

from tests.kubernetes.changes import Change
from tests.kubernetes.wrong_clusters import WRONG_CLUSTERS
from tests.kubernetes.wrong_pods import WRONG_PODS


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One change of an overlay."""

    name: str
    overlay: str
    change: Change


MUTATIONS = [
    Mutation(name=name, overlay=overlay, change=change)
    for name, (overlay, change) in {**WRONG_PODS, **WRONG_CLUSTERS}.items()
]
