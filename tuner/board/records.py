"""Whether TensorBoard can read an event file without being harmed by it.

Its fast reader reserves as many bytes as a record says it holds before it looks at the file, and
ends at once where the machine has not so many: twelve bytes of one run take all runs away. So the
lengths are looked at here first, and of a file that grows only those that are new.
"""

from __future__ import annotations

import io
import os
import struct

from tuner.roots import UnfitError

#: A record that says it holds more is not shown. What is written of one step holds less.
MOST_BYTES = 1 << 28

_LENGTH = struct.Struct("<Q")
#: Length and its CRC before the payload, the CRC of the payload behind it.
_HEADER, _FOOTER = 12, 4
_BLOCK = 1 << 16


class Lengths:
    """The records of one file as far as they have been looked at. Mutable.

    Args:
        found: what is known of the file.
    """

    def __init__(self, found: os.stat_result) -> None:
        self._id = _identity(found)
        self._size = 0
        #: Where the next record begins, in bytes.
        self._at = 0

    def fits(self, found: os.stat_result) -> bool:
        """Whether this is the same file, with nothing new in it."""
        return self._id == _identity(found) and self._size == found.st_size

    def grows_to(self, found: os.stat_result) -> bool:
        """Whether this is the same file, with more in it."""
        return self._id == _identity(found) and self._size <= found.st_size

    def look(self, file: io.BufferedReader, path: str, most: int) -> int:
        """Look at the records that have been written since the last time.

        Args:
            path: where it is, for people.
            most: records to look at; the next call goes on there.

        Returns:
            How many were looked at; `most`: there may be more.

        Raises:
            UnfitError: one says that it is larger than any may be.
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
