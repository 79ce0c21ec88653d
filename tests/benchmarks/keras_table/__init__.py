"""A table of real Keras trainings: every configuration of one space on many datasets.

`table` reads what is shipped, `__main__` makes it anew (README.md says how).
"""
