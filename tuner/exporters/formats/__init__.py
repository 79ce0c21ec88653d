"""Writes a study to files that other tools read: `tuner export`.

An exporter is a function that takes an `ExportedStudy` and the path of the file or folder to write.
`tuner.registry.EXPORTERS` is the table of exporters.
"""

from tuner.exporters.formats.described import ExportedStudy as ExportedStudy
from tuner.exporters.formats.described import ExportedTrial as ExportedTrial
from tuner.exporters.formats.placing import export_study as export_study
