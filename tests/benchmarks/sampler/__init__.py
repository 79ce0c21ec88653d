"""Benchmarks of samplers: tasks, methods, histories, and what their runs say.

How they are made and what they showed: `docs/sampler-benchmarks.md`.
"""
