"""The figures that Tuner promises, measured with real processes: `python -m tests.benchmarks`.

Not timed tests: a busy machine makes them worse, so the table says how busy it was.
"""
