"""The promises that `make mutants` breaks, by subject."""

from tests.mutants.promises import access, files, fleets, learning, spec, surrogate, trials, workers

MUTANTS = (
    *trials.MUTANTS,
    *workers.MUTANTS,
    *fleets.MUTANTS,
    *learning.MUTANTS,
    *surrogate.MUTANTS,
    *spec.MUTANTS,
    *access.MUTANTS,
    *files.MUTANTS,
)
