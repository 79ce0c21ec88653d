"""Tests wait for conditions (tests/support/patience.py), and not for so many seconds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
#: A shorter one only puts two calls into an order that nothing shows from outside.
LEAST_S = 0.3
#: By the function's name: where time itself is the subject, or nothing shows what is waited for.
ALLOWED = {
    "_hold_run": "a process that waits to be killed",
    "test_a_revoked_token_is_refused_within_a_second_also_where_a_claim_waits": (
        "that a claim waits is not seen from outside"
    ),
    "test_a_second_signal_kills_the_trial_now": "two signals within a second are one",
    "test_an_outage_of_the_server_costs_no_worker_its_attempt": (
        "a lease ends by time alone, and the server that would say so is away"
    ),
    "test_it_never_runs_ahead_of_the_wall_clock": "the clock is the subject",
    "test_the_first_process_takes_in_orphans_and_hands_signals_on": (
        "nothing in the image tells when an orphan has ended"
    ),
}


def fixed_sleeps(tree: ast.Module) -> Iterator[str]:
    """Yield the names of functions that sleep outside of any loop, and not for a moment only."""
    pending: list[tuple[ast.AST, str, bool]] = [(tree, "", False)]
    while pending:
        node, function, is_polling = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function, is_polling = node.name, False
        if isinstance(node, ast.For | ast.While | ast.AsyncFor):
            is_polling = True
        if isinstance(node, ast.Call) and not is_polling and _is_long_sleep(node):
            yield function
        pending += [(child, function, is_polling) for child in ast.iter_child_nodes(node)]


def _is_long_sleep(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name != "sleep" or not call.args:
        return False
    duration = call.args[0]
    is_short = isinstance(duration, ast.Constant) and duration.value < LEAST_S
    return not is_short


def test_no_test_sleeps_where_it_can_wait_for_a_condition() -> None:
    found = {
        function
        for path in TESTS.rglob("test_*.py")
        for function in fixed_sleeps(ast.parse(path.read_text(encoding="utf-8")))
    }

    assert found == set(ALLOWED), "tests/support/patience.py has wait_until and hold"


def test_a_sleep_in_a_loop_is_a_look_again_and_one_outside_is_not() -> None:
    text = """
def test_a():
    time.sleep(2)
    while not holds():
        time.sleep(5)

def test_b():
    time.sleep(0.1)
    for _ in range(3):
        def later():
            sleep(SECONDS)
"""

    assert sorted(fixed_sleeps(ast.parse(text))) == ["later", "test_a"]
