"""The pruners that a spec may name, and what they leave in the database."""
