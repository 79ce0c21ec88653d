"""Log root, event files, statements: nothing outside is touched, nothing lost, nothing mixed up."""

from tests.mutants.mutant import Mutant

_ROOTS = ("tests/unit/test_roots.py",)
_REPAIR = ("tests/unit/test_exporters_repair.py",)
_POSTGRES = "tests/integration/test_postgres_connection.py::"

MUTANTS = (
    Mutant(
        name="folder-through-link",
        promise="A link in the log root leads nobody out of it.",
        file="tuner/roots/folder.py",
        old="_FOLDER | os.O_NOFOLLOW, dir_fd",
        new="_FOLDER, dir_fd",
        tests=_ROOTS,
    ),
    Mutant(
        name="place-above-root",
        promise="A path with .. is no place below a root.",
        file="tuner/roots/place.py",
        old='".." in parts.parts',
        new='"..." in parts.parts',
        tests=_ROOTS,
    ),
    Mutant(
        name="file-with-two-names",
        promise="A hard link in the log root is not read: its file may lie outside.",
        file="tuner/roots/unfit.py",
        old="found.st_nlink > 1",
        new="found.st_nlink > 99",
        tests=_ROOTS,
    ),
    Mutant(
        name="pipe-is-read",
        promise="What is no file in the log root is not read: a pipe would hold up the server.",
        file="tuner/roots/unfit.py",
        old="if not stat.S_ISREG(found.st_mode):",
        new="if stat.S_ISDIR(found.st_mode):",
        tests=_ROOTS,
    ),
    Mutant(
        name="repair-twice",
        promise="A run that is complete is not written again.",
        file="tuner/exporters/repair.py",
        old="if found != json.loads(content):",
        new="if found is not None:",
        tests=_REPAIR,
    ),
    Mutant(
        name="objective-of-a-lost-attempt",
        promise="Only the attempt that became the trial's outcome has an objective in TensorBoard.",
        file="tuner/exporters/repair.py",
        old="if not _is_outcome(record):\n        return None",
        new='if "values" not in record:\n        return None',
        tests=_REPAIR,
    ),
    Mutant(
        name="hole-in-the-curve",
        promise="A hole in the curve of an event file is mended.",
        file="tuner/exporters/repair.py",
        old="if step not in steps), len(curve)",
        new="if step > max(steps, default=0)), len(curve)",
        tests=_REPAIR,
    ),
    Mutant(
        name="columns-of-another-statement",
        promise="Results of the same types keep the column names of their own statement.",
        file="tuner/storage/postgres/cursor.py",
        old="prepared.description = _describe(result)",
        new="prepared.description = _describe.__dict__.setdefault("
        "tuple(map(result.ftype, range(result.nfields))), _describe(result))",
        tests=(f"{_POSTGRES}test_columns_of_the_same_types_keep_the_names_of_their_own_statement",),
    ),
    Mutant(
        name="prepared-for-other-types",
        promise="A statement is prepared for the types of its parameters.",
        file="tuner/storage/postgres/statements.py",
        old="key = (query, tuple(types))",
        new="key = (query, ())",
        tests=(f"{_POSTGRES}test_parameters_of_other_types_give_columns_of_other_types",),
    ),
)
