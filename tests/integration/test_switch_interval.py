"""How long a thread computes before another has its turn: the server chooses for itself alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tuner.server.serve import SWITCH_S

_SERVER = """
import sys
usual = sys.getswitchinterval()
from tuner.server.serve import serve
from tuner.settings import load_settings

home = sys.argv[1]
settings = load_settings(
    {"TUNER_HOME": home, "TUNER_TOKEN": "t" * 32, "TUNER_REDIS_URL": f"unix://{home}/none.sock"}
)
serve(
    settings,
    host="127.0.0.1",
    port=0,
    ready=lambda *_: print(usual, sys.getswitchinterval()),
    keep_alive=lambda: False,
)
"""
_USER = """
import sys
usual = sys.getswitchinterval()
import tuner, tuner.client, tuner.server.serve, tuner.testing, workers
print(sys.getswitchinterval() == usual)
"""


def answer(script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_servers_threads_take_turns_more_often(tmp_path: Path) -> None:
    usual, chosen = map(float, answer(_SERVER, str(tmp_path)).split())

    assert chosen == SWITCH_S < usual


def test_to_import_everything_leaves_a_users_process_as_it_is() -> None:
    assert answer(_USER) == "True"
