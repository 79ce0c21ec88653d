"""The process that builds: one configuration after the other, with a line about each.

An error costs only its own configuration; the watcher notices if this process dies or hangs.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import time
from typing import Any, NoReturn

from workers.backends.trial import BackendError, prepare
from workers.failures.causes import classify, describe_error
from workers.host.linux import be_killed_first, die_with_parent
from workers.objective.finding import ObjectiveError
from workers.objective.numbers import describe
from workers.objective.seeds import seed_everything
from workers.objective.task import Task
from workers.preflight.measuring import batch_of, weigh
from workers.preflight.sources import ModelSource, NoModelsError, open_source
from workers.trial.channel import Channel

#: For models with more parameters, memory is collected before the next is built, which takes 0.2 s.
_LARGE = 1_000_000


def run_builder(fd: int, parent: int) -> NoReturn:
    """Build what the first message on `fd` asks for, `{task, points, first, timed}`, and exit."""
    die_with_parent(parent)
    be_killed_first()
    channel = Channel(socket.socket(fileno=fd))
    messages: list[dict[str, Any]] = []
    while not messages and not channel.closed:
        channel.wait(60.0)
        messages = channel.receive()
    if messages:
        _serve(channel, messages[0])
    # Threads of the frameworks may block exit handlers.
    os._exit(0)


def _serve(channel: Channel, request: dict[str, Any]) -> None:
    task = Task(**request["task"])
    try:
        if task.devices:
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(task.devices)
        prepare(task.choice, kind=task.kind, preimport=False)
        source = open_source(task)
    except NoModelsError as exc:
        return channel.send({"kind": "nothing", "why": str(exc)})
    except (ObjectiveError, BackendError) as exc:
        return channel.send({"kind": "broken", "error": str(exc)})
    # A user's module may raise anything.
    except BaseException as exc:  # noqa: BLE001
        return channel.send({"kind": "broken", "error": describe_error(exc, task.code_root)})
    for index in range(request["first"], len(request["points"])):
        params = request["points"][index]
        channel.send({"kind": "begun", "point": index})
        seed_everything(task.seed, task.reproducibility)
        _build(channel, source, task, params, index, is_timed=index in request["timed"])
    return channel.send({"kind": "done"})


def _build(
    channel: Channel,
    source: ModelSource,
    task: Task,
    params: dict[str, Any],
    index: int,
    *,
    is_timed: bool,
) -> None:
    started = time.perf_counter()
    said: dict[str, Any] = {"kind": "built", "point": index, "ok": True}
    parameters = 0
    try:
        model = source.build(params)
        said["build_s"] = round(time.perf_counter() - started, 4)
        if model is None:
            raise ObjectiveError("build returned None; did you forget to return the model?")
        said["model"] = describe(model)
        data = next(iter(source.arguments.args), source.arguments.kwargs.get("x"))
        batch = batch_of(params, source.arguments.kwargs, data)
        weight = weigh(model, batch)
        parameters = weight.parameters or 0
        said |= {"parameters": weight.parameters, "bytes": weight.total, "batch": batch}
        said["has_optimizer"] = weight.optimizer is not None
        channel.send(said)
        if is_timed and source.can_train:
            channel.send({"kind": "timing", "point": index})
            _time(channel, source, model, index)
            if weight.parameters is None:
                # Some models are built only by their first batch.
                weight = weigh(model, batch)
                parameters = weight.parameters or 0
                said |= {"parameters": weight.parameters, "bytes": weight.total}
                channel.send(said)
        del model
    # User code may raise anything, including SystemExit.
    except BaseException as exc:  # noqa: BLE001
        cause = "memory" if classify(exc, []) == "oom" else "error"
        text = str(exc) if isinstance(exc, ObjectiveError) else describe_error(exc, task.code_root)
        channel.send({**said, "ok": False, "cause": cause, "error": text})
    _forget(is_large=parameters > _LARGE)


def _time(channel: Channel, source: ModelSource, model: Any, index: int) -> None:
    found = source.time(model)
    channel.send({"kind": "timed", "point": index, **found})


def _forget(*, is_large: bool) -> None:
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session(free_memory=is_large)
    elif is_large:
        gc.collect()
