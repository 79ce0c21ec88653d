"""How the importers of plugins are called, and what becomes of their answers.

An importer is a function that takes a `FoundFile` or, as the `folder` of a `HistoryImporter`, a
`FoundFolder`. It returns None if that is not of its kind, else an iterable of:

* a `HistoricTrial`: a run, with a key that no other run of the file or folder has;
* a `Rejection`: a run that cannot be used, and why;
* `Facts`, of which only the goals of metrics and the notes are used.
"""
