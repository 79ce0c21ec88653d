"""The SQL database: Optuna's tables and ours beside them. The only source of truth."""

from tuner.storage.database import Storage as Storage
from tuner.storage.opening import open_storage as open_storage
