"""The contract of every reader of other tools' searches, as a class of tests to inherit."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from tuner.convert import Converted, SearchFile, convert
from tuner.errors import SpecError
from tuner.registry import READERS
from tuner.spec import parse_spec
from tuner.spec.reading.yaml12 import parse_document


class ReaderContract:
    """The contract of a reader. Subclass it and define the name, `parameters` and `write`."""

    #: The name in the table or the entry point.
    name: ClassVar[str]
    #: Names of the parameters in the spec.
    parameters: ClassVar[Collection[str]]

    def write(self, folder: Path) -> Path:
        """Write a file of the kind into a folder; return its path."""
        raise NotImplementedError

    def test_a_file_becomes_a_spec_with_all_parameters(self) -> None:
        """The spec is valid, and the same file always gives the same one."""
        with _folder() as folder:
            path = self.write(folder)
            converted = convert(str(path))
            again = convert(str(path))
        spec = parse_spec(parse_document(converted.text, "converted").data)

        assert set(spec.space.names) == set(self.parameters)
        assert again == converted

    def test_it_says_whose_file_it_was(self) -> None:
        """In the words in which the list of all kinds begins."""
        with _folder() as folder:
            converted = convert(str(self.write(folder)))

        assert READERS.find(self.name).says.startswith(converted.tool)

    def test_files_of_other_kinds_are_left_to_others(self) -> None:
        """It accepts no file of another tool, and raises no error because of one."""
        make = READERS.make(self.name)
        others = {
            "spec.yaml": b"project: p\nsearch_space: {}\nbudget: {trials: 1}\n",
            "list.json": b"[]",
            "text.txt": b"Dear diary\nno search today\n",
            "data.bin": bytes(range(256)),
        }
        with _folder() as folder:
            for name, content in others.items():
                path = folder / name
                path.write_bytes(content)
                assert make(SearchFile(path=path, content=content, document=None)) is None, name

    def test_a_file_that_was_cut_off_is_refused_or_read(self) -> None:
        """What is left of it gives a spec, or a sentence that says why it does not."""
        with _folder() as folder:
            path = self.write(folder)
            content = path.read_bytes()
            for part in range(1, 8):
                path.write_bytes(content[: len(content) * part // 8 or 1])
                found = _try(path)
                assert isinstance(found, Converted) or str(path.name) in found, found


def _try(path: Path) -> Converted | str:
    try:
        return convert(str(path))
    except SpecError as exc:
        return str(exc)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tuner-searches-") as folder:
        yield Path(folder)
