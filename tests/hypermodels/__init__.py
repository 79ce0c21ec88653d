"""Hypermodels as users of KerasTuner write them, run unchanged by the code of a worker."""
