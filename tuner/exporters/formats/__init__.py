"""A study as files that other tools read: `tuner export`.

An exporter is a function that takes an `ExportedStudy` and the path at which it writes a file or a
folder. `tuner.registry.EXPORTERS` is the table of them.
"""

from tuner.exporters.formats.described import ExportedStudy as ExportedStudy
from tuner.exporters.formats.described import ExportedTrial as ExportedTrial
from tuner.exporters.formats.placing import export_study as export_study
