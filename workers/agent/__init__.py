"""A worker: it claims attempts and has them executed."""
