"""Unchanged KerasTuner HyperModels as objectives: finding their space, building, training.

KerasTuner itself is imported when a hypermodel is run, not with this package.
"""

from workers.hyper.execution import run_hypermodel as run_hypermodel
