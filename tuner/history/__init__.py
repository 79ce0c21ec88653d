"""Earlier runs: those of this database and imported ones, in the same form."""

from tuner.history.store.database import HistoryStore as HistoryStore
from tuner.history.store.records import HistoricStudy as HistoricStudy
from tuner.history.store.records import HistoricTrial as HistoricTrial
