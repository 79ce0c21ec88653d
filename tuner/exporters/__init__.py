"""What the coordinator writes into the log root: each study's run, and what workers could not."""

from __future__ import annotations

from tuner.exporters.paper import Paper
from tuner.exporters.repair import repair_run
from tuner.exporters.study import StudyWriter, write_study

__all__ = ["Paper", "StudyWriter", "repair_run", "write_study"]
