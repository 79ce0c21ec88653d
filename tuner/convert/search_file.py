"""A file that may hold the search of another tool, as the readers get it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.convert.draft import SpecDraft
from tuner.convert.fields import Fields
from tuner.spec.reading.document import YamlDocument


@dataclass(frozen=True, kw_only=True)
class SearchFile:
    """A file that was named.

    Attributes:
        path: absolute.
        content: all of it.
        document: its values; None: it is neither JSON nor YAML.
    """

    path: Path
    content: bytes
    document: YamlDocument | None

    @property
    def data(self) -> dict[str, Any]:
        """The values of its mapping; empty: it is none."""
        found = None if self.document is None else self.document.data
        return found if isinstance(found, dict) else {}

    def fields(self) -> Fields:
        """Return the mapping, to be asked key by key.

        Raises:
            SpecError: it is none.
        """
        document = self.document or YamlDocument(source=str(self.path), data=None)
        return Fields(document, (), document.data)

    def draft(self, tool: str) -> SpecDraft:
        """Return an empty draft, which is named after the file.

        Args:
            tool: whose file it is, as people say it: `a W&B sweep`.
        """
        return SpecDraft(tool, self.path.stem)
