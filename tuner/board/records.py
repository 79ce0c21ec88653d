"""Whether TensorBoard can safely read an event file.

Its fast reader allocates as many bytes as a record claims to hold before it checks the file, and
exits immediately if the machine lacks them: twelve bytes in one run make all runs disappear. So the
lengths are checked here first; of a growing file, only those of new records.
"""

from __future__ import annotations

import io
import os
import struct

from tuner.roots import UnfitError

#: Maximum size that a record may claim; records of a training step are smaller.
MOST_BYTES = 1 << 28

_LENGTH = struct.Struct("<Q")
#: Length and its CRC before the payload, the CRC of the payload after it.
_HEADER, _FOOTER = 12, 4
_BLOCK = 1 << 16


class Lengths:
    """The records of one file as far as they have been checked. Mutable.

    Args:
        found: the file's status.
    """

    def __init__(self, found: os.stat_result) -> None:
        self._id = _identity(found)
        self._size = 0
        #: Where the next record starts, in bytes.
        self._at = 0

    def fits(self, found: os.stat_result) -> bool:
        """Whether this is the same file, without anything new."""
        return self._id == _identity(found) and self._size == found.st_size

    def grows_to(self, found: os.stat_result) -> bool:
        """Whether this is the same file, with new content."""
        return self._id == _identity(found) and self._size <= found.st_size

    def look(self, file: io.BufferedReader, path: str, most: int) -> int:
        """Check the records that have been written since the last call.

        Args:
            path: its path, for people.
            most: maximum number of records to check; the next call continues there.

        Returns:
            The number of records checked; `most`: there may be more.

        Raises:
            UnfitError: a record claims to be larger than the maximum.
            OSError: the file cannot be read.
        """
        fd = file.fileno()
        size = os.fstat(fd).st_size
        block, inside, count = b"", 0, 0
        while self._at + _HEADER <= size and count < most:
            if inside + _HEADER > len(block):
                block, inside = os.pread(fd, _BLOCK, self._at), 0
                if len(block) < _HEADER:
                    break
            (length,) = _LENGTH.unpack_from(block, inside)
            if length > MOST_BYTES:
                what = f"has a record of {length} bytes, and may have {MOST_BYTES} in one"
                raise UnfitError(path, what)
            count += 1
            self._at += _HEADER + length + _FOOTER
            inside += _HEADER + length + _FOOTER
        if count < most:
            self._size = size
        return count


def _identity(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_dev, found.st_ino, found.st_nlink
