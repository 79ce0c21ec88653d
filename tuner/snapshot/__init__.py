"""A study's code and data: a content-addressed archive, a fingerprint, the git commit."""

from tuner.snapshot.archive import Snapshot as Snapshot
from tuner.snapshot.archive import make_snapshot as make_snapshot
from tuner.snapshot.archive import unpack as unpack
from tuner.snapshot.comparison import CodeDifference as CodeDifference
from tuner.snapshot.comparison import compare_code as compare_code
from tuner.snapshot.contents import read_contents as read_contents
from tuner.snapshot.needed import needed_files as needed_files
from tuner.snapshot.provenance import fingerprint_data as fingerprint_data
from tuner.snapshot.provenance import read_git as read_git
from tuner.snapshot.standard_names import warn_of_standard_names as warn_of_standard_names
