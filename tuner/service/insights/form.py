"""The form of `_study/insights.json`, for those who write it and need not compute it."""

from __future__ import annotations

from tuner.documents.document import JsonObject

#: Of the file's form.
VERSION = 1
INSIGHTS_FILE = "insights.json"


def empty(study: str, why: str) -> JsonObject:
    """Return the document of a study of which nothing can be said.

    Args:
        study: "project/study".
        why: the cause, in words.
    """
    return {
        "version": VERSION,
        "study": study,
        "trials": 0,
        "importance": {"why": why, "methods": {}},
        "edges": [],
        "advice": [],
        "improvement": None,
        "history": [],
    }


def important(document: JsonObject | None) -> list[str]:
    """Return the names of the parameters that matter, those that matter most first.

    Main effects first: they leave out what may be chance.
    """
    methods = {} if document is None else document["importance"]["methods"]
    names: dict[str, None] = {}
    for method in ("main_effects", "ped_anova"):
        for item in methods.get(method, {}).get("parameters", ()):
            if item["share"]:
                names[item["name"]] = None
    return list(names)
