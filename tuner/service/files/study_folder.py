"""A study's own folder in the log root, and what is written there."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.documents.study_folder.insights import InsightsDocument
from tuner.documents.study_folder.summary import SummaryDocument
from tuner.exporters import Paper, StudyWriter
from tuner.roots import Place
from tuner.service.insights.form import INSIGHTS_FILE
from tuner.service.insights.summary import STUDY_FILE
from tuner.tfevents import read_json

#: Maximum size of an existing `study.json` in bytes.
_MOST_BYTES = 16 << 20


@dataclass(frozen=True, kw_only=True)
class StudyFolder:
    """The writers of a study's own folder."""

    writer: StudyWriter
    summary: Paper
    insights: Paper
    #: Number of parameters that the study had when it was opened.
    known: int


def is_outdated(place: Place, state: str) -> bool:
    """Whether a study's folder exists and does not say how the study ended."""
    if not place.exists():
        return False
    found = read_json(place, STUDY_FILE, most=_MOST_BYTES)
    if not isinstance(found, dict) or found.get("state") != state:
        return True
    with place.open() as folder:
        return folder.stat(INSIGHTS_FILE) is None


def write_events(folder: StudyFolder) -> StudyFolder:
    """Write what is new in its curves and texts; return the folder."""
    folder.writer.write()
    return folder


def write_papers(
    folder: StudyFolder,
    summary: SummaryDocument,
    insights: InsightsDocument | None,
    updated: str,
) -> StudyFolder:
    """Write summary and insights, as of `updated`; return the folder."""
    folder.summary.write(summary, updated)
    if insights is not None:
        folder.insights.write(insights, updated)
    return folder
