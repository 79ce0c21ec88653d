"""`tuner doctor`: checks everything that Tuner depends on, starts and changes nothing."""

from tuner.local.doctor.examination import examine as examine
from tuner.local.doctor.finding import DoctorFinding as DoctorFinding
