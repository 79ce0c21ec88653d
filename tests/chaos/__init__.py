"""The fault suite: real servers, workers, Redis and databases under a seeded schedule of faults.

`test_chaos.py` runs 150 trials with every fault, `test_faultpoints.py` kills the coordinator at
each of its fault points, and `python -m tests.chaos` runs as many trials as one likes. What is
promised and checked stands in the modules `check_*.py`.
"""
