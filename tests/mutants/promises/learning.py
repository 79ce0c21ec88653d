"""Pruning, proposals, replay and history: what is decided, from what, and what is said of it."""

from tests.mutants.mutant import Mutant

_HALVING = ("tests/unit/test_halving_pruner.py",)
_FINDING = "tests/unit/test_history_finding.py::"
_MAPPING = ("tests/unit/test_history_mapping.py",)
_PROPOSING = "tests/unit/test_proposing.py::"

MUTANTS = (
    Mutant(
        name="the-best-are-stopped",
        promise="Of the trials at a rung the best go on.",
        file="tuner/proposals/pruners/halving.py",
        old="if mine > values[kept - 1]:",
        new="if mine < values[kept - 1]:",
        tests=_HALVING,
    ),
    Mutant(
        name="stopped-at-the-end",
        promise="No trial is stopped at its last step.",
        file="tuner/proposals/pruners/halving.py",
        old="curve.last >= length:",
        new="curve.last > length:",
        tests=_HALVING,
    ),
    Mutant(
        name="auto-stops-blindly",
        promise="Under `auto` nothing is stopped until a trial has run to its end.",
        file="tuner/proposals/pruners/halving.py",
        old='min_resource: int | Literal["auto"] = AUTO,',
        new='min_resource: int | Literal["auto"] = 1,',
        tests=_HALVING,
    ),
    Mutant(
        name="forbidden-is-proposed",
        promise="What a study forbids is not proposed.",
        file="tuner/proposals/proposing.py",
        old="if self.space.is_forbidden(params):",
        new="if not params:",
        tests=(f"{_PROPOSING}test_every_proposal_is_a_valid_new_and_allowed_configuration",),
    ),
    Mutant(
        name="proposed-twice",
        promise="No configuration is proposed twice.",
        file="tuner/proposals/proposing.py",
        old="return self._seen.get(self.space.key(params), number) >= number",
        new="return self._seen is not None",
        tests=(f"{_PROPOSING}test_a_finite_space_is_proposed_completely_and_then_exhausted",),
    ),
    Mutant(
        name="replay-believes-anything",
        promise="A result that was changed after the fact is found out by `tuner replay`.",
        file="tuner/proposals/replaying.py",
        old="if choice.params != params:",
        new="if not choice.params:",
        tests=(
            "tests/unit/test_replaying.py::test_a_result_that_was_changed_afterwards_is_found_out",
        ),
    ),
    Mutant(
        name="machine-speaks-against-parameters",
        promise="A historic trial that its machine lost says nothing about its parameters.",
        file="tuner/history/matching/outcomes.py",
        old='"machine": "machine"',
        new='"machine": ""',
        tests=_MAPPING,
    ),
    Mutant(
        name="historic-failure-forgotten",
        promise="A configuration that failed by itself in history is held against its place.",
        file="tuner/history/matching/outcomes.py",
        old='"parameters": ""',
        new='"parameters": "failed"',
        tests=_MAPPING,
    ),
    Mutant(
        name="history-upside-down",
        promise="Historic values are oriented by the goal of the study that they inform.",
        file="tuner/history/matching/mapping.py",
        old='sign = -1.0 if goal == "maximize" else 1.0',
        new="sign = 1.0",
        tests=_MAPPING,
    ),
    Mutant(
        name="copies-inform-twice",
        promise="Of two copies of a study one informs another.",
        file="tuner/history/choosing/copies.py",
        old="_SHARE = 0.8",
        new="_SHARE = 80.0",
        tests=(
            f"{_FINDING}test_of_two_copies_one_informs",
            f"{_FINDING}test_the_study_itself_and_its_copies_are_no_sources",
        ),
    ),
    Mutant(
        name="receipt-does-not-add-up",
        promise="A receipt accounts for every historic trial: used, or left out for a reason.",
        file="tuner/history/choosing/receipt.py",
        old='dropped.get("left-out", 0) + self.used',
        new='dropped.get("left-out", 0)',
        tests=(
            f"{_FINDING}test_the_study_itself_and_its_copies_are_no_sources",
            "tests/unit/test_history_mapping_laws.py",
        ),
    ),
    Mutant(
        name="import-reads-again",
        promise="An import that is repeated reads nothing again.",
        file="tuner/history/importing.py",
        old="report.is_unchanged = True",
        new="report.is_unchanged = False",
        tests=(
            "tests/unit/test_history_importing.py::"
            "test_importing_twice_changes_nothing_and_reads_nothing",
        ),
    ),
    Mutant(
        name="folder-read-by-two",
        promise="Nobody else reads what lies below a folder that a package's importer takes.",
        file="tuner/history/importers/plugins/claims.py",
        old="return self._is_taken",
        new="return False",
        tests=(
            "tests/unit/test_registry_folder_importers.py::"
            "test_what_lies_below_a_folder_is_that_of_its_importer_alone",
        ),
    ),
    Mutant(
        name="importer-follows-a-link",
        promise="No link leads a package's importer to a folder.",
        file="tuner/history/importers/plugins/claims.py",
        old="if not found.is_reachable():",
        new="if found.name is None:",
        tests=(
            "tests/unit/test_registry_folder_importers.py::"
            "test_runs_of_tuner_and_what_links_lead_to_are_offered_to_nobody",
        ),
    ),
)
