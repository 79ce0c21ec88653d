"""What earlier studies' learning curves say about a running trial: arrays only.

Values are oriented so that smaller is better. Time is measured as progress: the fraction of a
trial's horizon that it has completed, in `CELLS` cells, so that trainings of different lengths can
be compared.
"""
