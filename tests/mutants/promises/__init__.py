"""The promises that `make mutants` breaks, by subject."""

from tests.mutants.promises import access, files, learning, spec, surrogate, trials, workers

MUTANTS = (
    *trials.MUTANTS,
    *workers.MUTANTS,
    *learning.MUTANTS,
    *surrogate.MUTANTS,
    *spec.MUTANTS,
    *access.MUTANTS,
    *files.MUTANTS,
)
