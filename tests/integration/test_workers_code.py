"""Code snapshots: fetched, checked, and sought before installed packages."""

from __future__ import annotations

import pytest

from tests.integration.workers_peer import Peer
from tests.integration.workers_process import Start
from tests.support.archives import make_archive

GOAL = "def train(run):\n    print(__file__)\n    return float(run.params['layers'])\n"


def test_code_is_fetched_checked_and_sought_before_installed_packages(
    peer: Peer, start: Start
) -> None:
    sha256 = peer.send_code(
        make_archive({"json.py": "", "mine/__init__.py": "", "mine/goal.py": GOAL})
    )
    peer.offer("mine.goal:train", code=sha256)
    worker = start()
    finish = peer.wait_finish("s1-t0-a1")

    assert finish["values"] == [2.0], finish["error"]
    folder = worker.home / "code" / sha256
    assert folder.is_dir()
    assert str(folder) in (worker.run_dir() / "output.log").read_text()


@pytest.mark.parametrize("name", ["tuner/__init__.py", "workers.py"])
def test_code_that_would_shadow_the_service_is_the_studys_own_error(
    peer: Peer, start: Start, name: str
) -> None:
    peer.offer("mine:train", code=peer.send_code(make_archive({name: "", "mine.py": GOAL})))
    start()
    finish = peer.wait_finish("s1-t0-a1")

    assert finish["cause"] == "error"
    assert "rename" in finish["error"]


def test_code_that_the_server_does_not_hold_is_the_studys_own_error(
    peer: Peer, start: Start
) -> None:
    peer.offer("mine:train", code="0" * 64)
    start()

    assert peer.wait_finish("s1-t0-a1")["cause"] == "error"


def test_code_with_other_bytes_than_its_hash_is_rejected(peer: Peer, start: Start) -> None:
    peer.snapshots["1" * 64] = make_archive({"mine.py": GOAL})
    peer.offer("mine:train", code="1" * 64)
    start()
    finish = peer.wait_finish("s1-t0-a1")

    assert finish["cause"] == "rejected"
    assert "other bytes" in finish["error"]


SHADOWING = """
import json
from statistics import centre
import logging

def train(run):
    logging.getLogger("mine").warning("of Python's own")
    __import__("plug" + "ins.extra")
    return json.half(centre(run.params["layers"]))
"""


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_the_users_modules_come_before_pythons_as_by_hand(
    peer: Peer, start: Start, isolation: str
) -> None:
    files = {
        "goal.py": SHADOWING,
        "json.py": "def half(x):\n    return x / 2\n",
        "statistics.py": "def centre(x):\n    return x * 10\n",
        "plugins/extra.py": "",
        "textwrap.py": "raise RuntimeError('nobody imports this')\n",
        "notes.txt": "",
    }
    peer.offer("goal:train", code=peer.send_code(make_archive(files)))
    start("--isolation", isolation)
    finish = peer.wait_finish("s1-t0-a1")

    assert finish["values"] == [10.0], finish["error"]
    assert finish["modules"] == ["goal.py", "json.py", "plugins/extra.py", "statistics.py"]


def test_a_traceback_names_the_files_of_the_user(peer: Peer, start: Start) -> None:
    files = {
        "goal.py": "from lib import fail\n\ndef train(run):\n    fail()\n",
        "lib/__init__.py": "def fail():\n    raise ValueError('here')\n",
    }
    peer.offer("goal:train", code=peer.send_code(make_archive(files)))
    start()
    finish = peer.wait_finish("s1-t0-a1")

    assert finish["error"].splitlines() == [
        "Traceback (most recent call last):",
        '  File "goal.py", line 4, in train',
        "    fail()",
        '  File "lib/__init__.py", line 2, in fail',
        "    raise ValueError('here')",
        "ValueError: here",
    ]


def test_the_stack_of_a_crash_names_the_files_of_the_user(peer: Peer, start: Start) -> None:
    files = {"goal.py": "import os\n\ndef train(run):\n    os.abort()\n"}
    peer.offer("goal:train", code=peer.send_code(make_archive(files)))
    start()
    finish = peer.wait_finish("s1-t0-a1")

    assert '  File "goal.py", line 4 in train' in finish["error"].splitlines()


def test_an_import_that_fails_names_the_module_of_the_user(peer: Peer, start: Start) -> None:
    files = {"goal.py": "from lib import nothing\n", "lib.py": ""}
    peer.offer("goal:train", code=peer.send_code(make_archive(files)))
    start()
    finish = peer.wait_finish("s1-t0-a1")

    assert "ImportError: cannot import name 'nothing' from 'lib' (lib.py)" in finish["error"]


@pytest.mark.parametrize(
    "read",
    [
        "open(here / 'data/train.npz')",
        "raise_(ValueError(f'filepath={here}/data/train.npz is none'))",
    ],
)
def test_a_file_that_was_left_out_is_named_with_what_to_do(
    peer: Peer, start: Start, read: str
) -> None:
    code = f"""
from pathlib import Path
here = Path(__file__).parent

def raise_(error):
    raise error

def train(run):
    {read}
"""
    peer.offer("goal:train", code=peer.send_code(make_archive({"goal.py": code})))
    start()
    finish = peer.wait_finish("s1-t0-a1")

    assert finish["error"].endswith(
        "data/train.npz is not in the snapshot of the code: tuner check says what was left out, "
        "and a line !data/train.npz in .tunerignore takes it along"
    )
