"""What a study's code and data are: a content-addressed archive, a fingerprint, the git commit."""

from tuner.snapshot.archive import Snapshot, make_snapshot, unpack
from tuner.snapshot.comparison import CodeDifference, compare_code
from tuner.snapshot.contents import read_contents
from tuner.snapshot.folder import MAX_BYTES
from tuner.snapshot.ignore import IGNORE_FILE
from tuner.snapshot.needed import needed_files
from tuner.snapshot.provenance import fingerprint_data, read_git
from tuner.snapshot.standard_names import warn_of_standard_names

__all__ = [
    "IGNORE_FILE",
    "MAX_BYTES",
    "CodeDifference",
    "Snapshot",
    "compare_code",
    "fingerprint_data",
    "make_snapshot",
    "needed_files",
    "read_contents",
    "read_git",
    "unpack",
    "warn_of_standard_names",
]
