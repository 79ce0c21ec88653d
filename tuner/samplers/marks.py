"""What the service notes on trials in Optuna's storage, for samplers to read."""

from __future__ import annotations

#: The attribute of a trial that names the cause of its failure.
CAUSE_ATTR = "tuner:cause"
