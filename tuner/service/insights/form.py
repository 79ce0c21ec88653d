"""The schema of `_study/insights.json`, for code that writes it without computing it."""

from __future__ import annotations

from tuner.documents.document import JsonObject

#: Version of the file's schema.
VERSION = 1
INSIGHTS_FILE = "insights.json"


def empty(study: str, why: str) -> JsonObject:
    """Return the document of a study without results.

    Args:
        study: "project/study".
        why: the reason, in words.
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
    """Return the names of the parameters that matter, most important first.

    By main effects first, which leave out what may be chance.
    """
    methods = {} if document is None else document["importance"]["methods"]
    names: dict[str, None] = {}
    for method in ("main_effects", "ped_anova"):
        for item in methods.get(method, {}).get("parameters", ()):
            if item["share"]:
                names[item["name"]] = None
    return list(names)
