"""Mutants of promises: `make mutants` breaks each promise on purpose, and a test has to say so."""
