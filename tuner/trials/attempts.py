"""States as the database has them, for modules that still read rows."""

from __future__ import annotations

from tuner.trials import states
from tuner.trials.store.columns import words

ENDED = words(states.ENDED)
LIVE = words(states.LIVE)
