"""What the learning curves of earlier studies say about a trial that still runs: arrays only.

Values are oriented so that smaller is better. Time is progress: the share of a trial's horizon that
it has done, in `CELLS` cells, so that trainings of other lengths can be compared.
"""
