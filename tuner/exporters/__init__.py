"""What the coordinator writes to the log root: each study's run, and what workers could not."""

from tuner.exporters.paper import Paper as Paper
from tuner.exporters.repair import repair_run as repair_run
from tuner.exporters.study import StudyWriter as StudyWriter
