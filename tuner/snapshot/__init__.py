"""What a study's code and data are: a content-addressed archive, a fingerprint, the git commit."""

from tuner.snapshot.archive import MAX_BYTES, Snapshot, make_snapshot, unpack
from tuner.snapshot.ignore import IGNORE_FILE
from tuner.snapshot.provenance import fingerprint_data, read_git

__all__ = [
    "IGNORE_FILE",
    "MAX_BYTES",
    "Snapshot",
    "fingerprint_data",
    "make_snapshot",
    "read_git",
    "unpack",
]
