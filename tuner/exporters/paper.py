"""JSON files beside a study's own run, for tools that read nothing but the log root."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tuner.roots import Place
from tuner.tfevents import read_json, write_json

#: A field that changes with every write but does not make one necessary.
_CLOCK = "updated"
#: Maximum size of an existing file; a larger one is not ours.
_MOST_BYTES = 16 << 20


class Paper:
    """One JSON file in the folder of a study's own run, written when its content changes.

    Args:
        place: of the folder; created when something is written.
    """

    def __init__(self, place: Place, name: str) -> None:
        self._place = place
        self._name = name
        #: Content of the file, as far as known.
        self._known: object = None

    def write(self, document: Mapping[str, Any], updated: str) -> bool:
        """Write a document, unless the file already contains it.

        Args:
            document: without its time.
            updated: time of its facts, ISO 8601; a change of it alone does not cause a write.

        Returns:
            Whether the file was written.

        Raises:
            OSError: the log root is full or cannot be written, or (`UnfitError`) something else is
                in the place of the file or its folder.
        """
        # In the form in which it would be read: tuples are lists, non-finite numbers are null.
        document = json.loads(json.dumps(document, default=str))
        if self._known is None:
            self._known = self._read()
        if self._known == document and self._place.exists():
            return False
        write_json(self._place, self._name, {**document, _CLOCK: updated})
        self._known = document
        return True

    def _read(self) -> object:
        found = read_json(self._place, self._name, most=_MOST_BYTES)
        if not isinstance(found, dict):
            return None
        return {key: value for key, value in found.items() if key != _CLOCK}
