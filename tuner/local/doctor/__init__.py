"""`tuner doctor`: looks at everything that Tuner depends on, starts and changes nothing."""

from tuner.local.doctor.examination import examine
from tuner.local.doctor.finding import Finding, Level

__all__ = ["Finding", "Level", "examine"]
