"""The process that computes insights: a JSON request a line in, a document a line out.

It stays for the next request, because to start it costs more than most computations: its imports
take 1.6 s of the processor, 240 trials a quarter of a second.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping

from tuner.documents.study_folder.insights import InsightsDocument
from tuner.security.secrecy import SECRET_VALUES

#: Seconds after which a computation is ended.
PATIENCE_S = 900.0
#: Maximum size of a document in bytes; a larger answer is a fault.
_MOST_BYTES = 16 << 20
#: Maximum length of a failed process's last output in bytes, for the log.
_SAID = 2000


class InsightsProcess:
    """A running process of low priority. One thread uses it; any thread may kill it.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self) -> None:
        # A file in memory: nobody reads along, and a full pipe would stop the process.
        self._output = os.memfd_create("insights")
        self._process = subprocess.Popen(
            # Not from the folder in which the server was started, which may contain any module.
            [sys.executable, "-P", "-m", "tuner.service.insights"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._output,
            env=_environment(os.environ),
        )

    @property
    def is_running(self) -> bool:
        """Whether it can take a request."""
        return self._process.poll() is None

    def compute(self, database_url: str, study_id: int) -> InsightsDocument | None:
        """Return the document of a study; None: there is no such study.

        Raises:
            ValueError: the process failed and has ended; the text ends with its last output.
        """
        request = {"database_url": database_url, "study_id": study_id}
        answer = self._ask(json.dumps(request).encode() + b"\n")
        if not answer.endswith(b"\n"):
            if len(answer) == _MOST_BYTES:
                self.kill()
            raise ValueError(f"exit {self._process.wait()}: {self._last_output()}")
        found: InsightsDocument | None = json.loads(answer)
        return found

    def kill(self) -> None:
        """Kill it; `compute` then fails."""
        self._process.kill()

    def end(self) -> None:
        """Kill it and wait for its end."""
        self._process.kill()
        self._process.communicate()  # closes the pipes
        os.close(self._output)

    def _ask(self, request: bytes) -> bytes:
        """Return the answer, a line; without its end if the process failed."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise AssertionError("both are pipes")
        patience = threading.Timer(PATIENCE_S, self._process.kill)
        patience.daemon = True
        patience.start()
        try:
            stdin.write(request)
            stdin.flush()
            return stdout.readline(_MOST_BYTES)
        except OSError:  # it ended before it read the request
            return b""
        finally:
            patience.cancel()

    def _last_output(self) -> str:
        start = max(os.fstat(self._output).st_size - _SAID, 0)
        return os.pread(self._output, _SAID, start).decode(errors="replace")


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the process: no secrets, and one thread for arrays."""
    kept = {name: value for name, value in environ.items() if name not in SECRET_VALUES}
    return {**kept, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
