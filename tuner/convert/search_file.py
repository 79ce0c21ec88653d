"""A file that may contain another tool's search, as passed to the readers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.convert.draft import SpecDraft
from tuner.convert.fields import Fields
from tuner.spec.reading.document import YamlDocument


@dataclass(frozen=True, kw_only=True)
class SearchFile:
    """A file named by the user.

    Attributes:
        path: absolute.
        content: all of it.
        document: its values; None if it is neither JSON nor YAML.
    """

    path: Path
    content: bytes
    document: YamlDocument | None

    @property
    def data(self) -> dict[str, Any]:
        """The values of its mapping; empty if it is not one."""
        found = None if self.document is None else self.document.data
        return found if isinstance(found, dict) else {}

    def fields(self) -> Fields:
        """Return the mapping, to be read key by key.

        Raises:
            SpecError: it is not one.
        """
        document = self.document or YamlDocument(source=str(self.path), data=None)
        return Fields(document, (), document.data)

    def draft(self, tool: str) -> SpecDraft:
        """Return an empty draft named after the file.

        Args:
            tool: the tool and kind of file in words: `a W&B sweep`.
        """
        return SpecDraft(tool, self.path.stem)
