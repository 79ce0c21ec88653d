"""Samplers and what they learn from history."""

from tests.mutants.mutant import Mutant

_TRANSFER = ("tests/unit/test_surrogate_transfer.py",)
_PRIOR = ("tests/unit/test_surrogate_prior.py",)

MUTANTS = (
    Mutant(
        name="misleading-history-is-trusted",
        promise="History that misleads loses its say within fifteen trials.",
        file="tuner/surrogate/trust.py",
        old="trust = omega * warm.reliance if _foresees(warm, z) else 0.0",
        new="trust = START",
        tests=(
            "tests/unit/test_surrogate_transfer.py::test_misleading_history_is_distrusted_within_fifteen_trials",
        ),
    ),
    Mutant(
        name="history-weighs-nothing",
        promise="Related history keeps its trust.",
        file="tuner/surrogate/trust.py",
        old="trust = omega * warm.reliance if",
        new="trust = 0.0 if",
        tests=("tests/unit/test_surrogate_transfer.py::test_related_history_keeps_its_trust",),
    ),
    Mutant(
        name="running-trial-unknown",
        promise="Where a trial runs already there is less to learn: workers spread out.",
        file="tuner/surrogate/transfer.py",
        old="x=np.concatenate([self.data.x, x]),",
        new="x=np.concatenate([self.data.x, self.data.x[: len(x)]]),",
        tests=(
            "tests/unit/test_surrogate_transfer.py::test_a_pending_trial_that_is_believed_leaves_less_to_learn_there",
        ),
    ),
    Mutant(
        name="copy-counts-twice",
        promise="A study that is there twice counts once in a prior.",
        file="tuner/surrogate/history/screening.py",
        old="_COPIED = 0.5",
        new="_COPIED = 5.0",
        tests=_PRIOR,
    ),
    Mutant(
        name="bad-half-outweighs",
        promise="How bad the worst historic trials were does not hide which were good.",
        file="tuner/surrogate/history/compression.py",
        old="z[bad] = _tame(z[bad] / unit)",
        new="z[bad] = z[bad] / unit",
        tests=("tests/unit/test_surrogate_ranking.py", *_PRIOR),
    ),
    Mutant(
        name="failures-avoid-nothing",
        promise="The search keeps away from a region where trials fail.",
        file="tuner/samplers/bayesian/feasibility.py",
        old="np.where(failed, 1.0, -1.0))\n        models",
        new="np.where(failed, -1.0, 1.0))\n        models",
        tests=(
            "tests/unit/test_bayesian_failures.py::test_a_part_of_the_space_that_fails_is_left_alone",
        ),
    ),
    Mutant(
        name="chance-failures-drive-away",
        promise="Failures that come by chance cost no more than their share.",
        file="tuner/samplers/bayesian/feasibility.py",
        old="_DOUBTED_FROM = 10",
        new="_DOUBTED_FROM = 10_000",
        tests=(
            "tests/unit/test_bayesian_failures.py::test_failures_that_come_by_chance_cost_no_more_than_their_share",
        ),
    ),
    Mutant(
        name="history-speaks-for-ever",
        promise="Late in a study every second trial is chosen without history.",
        file="tuner/samplers/bayesian/turns.py",
        old="_LATE = 20",
        new="_LATE = 20_000",
        tests=(
            "tests/unit/test_bayesian_history.py::test_history_is_asked_at_first_and_later_every_second_time",
        ),
    ),
)
