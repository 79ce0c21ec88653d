"""The schema of `_study/insights.json`, for code that writes it without computing it."""

from __future__ import annotations

from tuner.documents.study_folder.insights import InsightsDocument

#: Version of the file's schema.
VERSION = 1
INSIGHTS_FILE = "insights.json"


def empty(study: str, why: str) -> InsightsDocument:
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


def important(document: InsightsDocument | None) -> list[str]:
    """Return the names of the parameters that matter, most important first.

    By main effects first, which leave out what may be chance.
    """
    if document is None:
        return []
    methods = document["importance"]["methods"]
    names: dict[str, None] = {}
    for method in (methods.get("main_effects"), methods.get("ped_anova")):
        if method is not None:
            for item in method.get("parameters", ()):
                if item["share"]:
                    names[item["name"]] = None
    return list(names)
