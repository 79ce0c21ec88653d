"""How much the server takes from anybody: the one place for all routes, present and to come.

None of these is a setting: each is far from what our own clients do, and there is nothing to gain
for an operator in another value.
"""

from __future__ import annotations

from tuner.service import service

#: A worker's message or a spec. A finish with 50 lines of traceback is far smaller.
MAX_JSON_BYTES = 1 << 20
#: A batch of historic runs; one run at its bounds has three megabytes.
MAX_BATCH_BYTES = 8 << 20
#: A code snapshot.
MAX_SNAPSHOT_BYTES = service.MAX_SNAPSHOT_BYTES
#: No body is larger, whatever the route does with it.
MAX_BODY_BYTES = max(MAX_JSON_BYTES, MAX_BATCH_BYTES, MAX_SNAPSHOT_BYTES)
