"""Unchanged KerasTuner HyperModels as objectives: discovery of their space, building, training.

KerasTuner itself is imported when a hypermodel is run, never with this package.
"""

from workers.hyper.execution import run_hypermodel as run_hypermodel
