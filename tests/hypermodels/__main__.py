"""Run hypermodels in one process, as the process of a trial does, and print what came of them.

`python -m tests.hypermodels` reads a list of `{hypermodel, loader, known, params}` from standard
input and prints one JSON line for each: `end` (the trial's end message), `found`, `points` and
`output`; for `draw` also `drawn`, a second trial whose values are drawn from the space that the
first one found; for `again` a second attempt with the first one's values and checkpoints.

TensorFlow runs operations here, so no process that forks trials may do this itself.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from tuner.protocol import Found
from workers.objective.task import Task
from workers.trial.channel import Channel
from workers.trial.child import execute


class Peer:
    """The worker's side: answers each report with the same word, at once.

    Args:
        channel: this side's end.
        word: the answer.
    """

    def __init__(self, channel: Channel, word: str) -> None:
        self._channel = channel
        self._word = word
        self._messages: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def all_messages(self) -> list[dict[str, Any]]:
        """Return everything that the trial has sent, once it sends no more."""
        self._thread.join(30.0)
        return self._messages

    def _serve(self) -> None:
        while not self._channel.closed:
            self._channel.wait(1.0)
            for message in self._channel.receive():
                self._messages.append(message)
                if message["kind"] == "point":
                    self._channel.send_now({"word": self._word, "step": message["step"]})


def run(case: dict[str, Any], root: Path) -> dict[str, Any]:
    """Run one trial; return its end, what it found, what it reported and what it wrote."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        peer = Peer(Channel(ours), case.get("word", "continue"))
        task = Task(
            objective=f"hypermodel:{case['hypermodel']}",
            params=case.get("params", {}),
            seed=case.get("seed", 7),
            trial=case.get("trial", 0),
            attempt_no=case.get("attempt_no", 1),
            metrics=[{"name": case.get("metric", "val_accuracy"), "goal": "maximize"}],
            reproducibility=case.get("reproducibility", "seeded"),
            code_root=case.get("code_root"),
            log_root=str(root / "logs"),
            checkpoint_root=str(root / "checkpoints"),
            run_dir="run",
            checkpoint_dir="trial",
            curve=case.get("curve", []),
            known=case.get("known", []),
            loader=case.get("loader"),
        )
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(errors):
            end = execute(task, Channel(theirs))
        theirs.shutdown(socket.SHUT_WR)
        messages = peer.all_messages()
    found: dict[str, Any] = {}
    for message in messages:
        found |= {item["name"]: item for item in message.get("found", [])}
    return {
        "end": end,
        "found": list(found.values()),
        "kinds": [message["kind"] for message in messages],
        "points": [message for message in messages if message["kind"] == "point"],
        "output": errors.getvalue()[-4000:],
    }


def draw(found: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """Return a configuration of the space that was found."""
    import random

    from tuner.space import SearchSpace
    from tuner.space.axis import Axis

    space = SearchSpace.from_json({"parameters": {f["name"]: f["definition"] for f in found}})
    source = random.Random(seed)

    def choose(parameter: Any) -> Any:
        if parameter.size is not None:
            return parameter.at(source.randrange(parameter.size))
        return Axis(parameter).value(source.random())

    return space.walk(choose)


def main() -> None:
    """Answer the cases on standard input, one line each."""
    answer, sys.stdout = sys.stdout, sys.stderr
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Compiling a graph takes a second, and these trainings have a few batches.
        tf.config.run_functions_eagerly(True)
        tf.data.experimental.enable_debug_mode()
    for case in json.load(sys.stdin):
        with tempfile.TemporaryDirectory() as folder:
            result = run(case, Path(folder))
            if case.get("draw") is not None and result["end"]["outcome"] == "complete":
                params = draw(result["found"], case["draw"])
                known = [Found.from_json({**f, "value": None}).to_json() for f in result["found"]]
                again = {**case, "params": params, "known": known, "trial": 1}
                result["drawn"] = {"params": params, **run(again, Path(folder, "second"))}
            if case.get("again"):
                points = [[p["step"], p["value"], p["metrics"]] for p in result["points"]]
                params = {f["name"]: f["value"] for f in result["found"] if f["value"] is not None}
                second = {**case, "word": "continue", "attempt_no": 2, "curve": points}
                second |= {"params": params, "known": result["found"]}
                result["again"] = run(second, Path(folder))
        answer.write(json.dumps(result) + "\n")
        answer.flush()


if __name__ == "__main__":
    main()
