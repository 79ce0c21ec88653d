"""The location of a folder below a root, opened when it is used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tuner.roots.folder import Folder


@dataclass(frozen=True)
class Place:
    """A folder below a root, by its path; it need not exist.

    Args:
        root: log root or checkpoint root, as configured by the operator.
        relative: path below it, such as "project/study/trial_00001"; empty for the root itself.

    Raises:
        ValueError: `relative` does not lie below the root.
    """

    root: Path
    relative: str = ""

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.relative)
        if parts.is_absolute() or ".." in parts.parts or "\0" in self.relative:
            raise ValueError(f"{self.relative!r}: must be a path below {self.root}")

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.name

    @property
    def path(self) -> Path:
        """The whole path, for messages only: opening it bypasses the checks of this class."""
        return self.root / self.relative

    def below(self, relative: str) -> Place:
        """Return the place of a path below this one.

        Raises:
            ValueError: it does not lie below.
        """
        return Place(
            self.root, str(PurePosixPath(self.relative, Place(self.root, relative).relative))
        )

    def open(self, *, make: bool = False) -> Folder:
        """Open the folder.

        Args:
            make: create what is missing of it, including the root.

        Raises:
            FileNotFoundError: it is missing.
            UnfitError: a part of the path below the root is a link or not a folder.
            OSError: this process has no access to it, or it cannot be created.
        """
        if make:
            with contextlib.suppress(FileExistsError):  # a file: said below
                self.root.mkdir(parents=True)
        folder = Folder.of_root(self.root)
        for name in PurePosixPath(self.relative).parts:
            with folder:
                inner = folder.folder(name, make=make)
            folder = inner
        return folder

    def exists(self) -> bool:
        """Return whether the folder exists and can be opened."""
        try:
            self.open().close()
        except OSError:
            return False
        return True


@contextlib.contextmanager
def opened(where: Place | Folder, *, make: bool = False) -> Iterator[Folder]:
    """Provide an open folder inside the block; one that was already open stays open.

    Args:
        where: a folder, or the place of one.
        make: see `Place.open`, whose errors may be raised.
    """
    if isinstance(where, Folder):
        yield where
        return
    with where.open(make=make) as folder:
        yield folder
