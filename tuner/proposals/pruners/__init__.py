"""The pruners that a spec may name, and what they store in the database."""
