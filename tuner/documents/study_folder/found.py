"""The keys in the files of a study's own folder, for programs that read them in the log root.

Trials may write to the folder: a reader knows what a file may contain, but trusts none of it. It
gets a mapping of these keys to values of any kind. A test compares the keys with the documents.
"""

from __future__ import annotations

from typing import Literal

# fmt: off
#: Of `study.json`: those of a `SummaryDocument`, and the time.
SummaryKey = Literal[
    "version", "study", "state", "reason", "metrics", "constraints", "parameters", "order",
    "budget", "counts", "best", "updated",
]
#: Of a `SummaryParameter` in it.
SummaryParameterKey = Literal["name", "type", "low", "high", "log", "step", "values", "when"]
#: Of a `MetricGoal` in it.
MetricKey = Literal["name", "goal"]
#: Of `insights.json`: those of an `InsightsDocument`, and the time.
InsightsKey = Literal[
    "version", "study", "trials", "importance", "edges", "advice", "improvement", "history",
    "updated",
]
# fmt: on
#: Of what the tab Best trials says of them; `why` says why there are none.
ShownInsightsKey = InsightsKey | Literal["why"]
#: Of an `ImportanceByMethod` in it, the `ImportanceMethods`, a `MethodImportance`, a `MethodShare`.
ImportanceKey = Literal["why", "methods"]
MethodName = Literal["main_effects", "ped_anova", "fanova"]
MethodKey = Literal["why", "parameters", "conditions", "pairs"]
MethodShareKey = Literal["name", "share", "active"]
#: Of an `Advice` in it.
AdviceKey = Literal["kind", "text", "parameter"]
#: Of a `HistorySay` in it.
HistorySayKey = Literal["trial", "share", "trust", "proposed_by_history"]
