"""The SQL database: Optuna's tables and ours beside them. The only truth."""

from tuner.storage.database import Storage
from tuner.storage.opening import open_storage

__all__ = ["Storage", "open_storage"]
