"""Tuner workers as Ray actors: `start` creates them, `list` shows them, `stop` ends them.

This file is run by Ray's own Python, and needs only Ray and the standard library; `tuner launch
ray` combines it with the plan and the actor (`ray_worker.py`) into one script, and writes that to
where it is run from.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from tuner.launch.ray_worker import LEAVE_S, LaunchError, RayWorker

PLAN: dict[str, Any] = {}
#: Namespace of the actors' names, used by nobody else.
NAMESPACE = "tuner"
#: Maximum seconds until a worker is ready: it imports Keras first.
READY_S = 120.0
#: Seconds to wait for actors to start: a cluster without room starts them later.
ROOM_S = 30.0
#: Seconds for an actor to answer; after that it has no room yet, or is being restarted.
LOOK_S = 10.0


def start(ray: Any) -> dict[str, Any]:
    """Create the actors; return those that run and those that wait for room.

    Raises:
        LaunchError: actors of that name exist, or a worker cannot start.
    """
    names = [f"{PLAN['name']}-{number}" for number in range(PLAN["workers"])]
    if there := actors(ray):
        raise LaunchError(
            f"{len(there)} workers of the name {PLAN['name']} already exist: stop them "
            f"({stop_command()}), or take another --name"
        )
    make = ray.remote(RayWorker).options
    wanted = ("num_cpus", "num_gpus", "memory", "resources")
    needs = {name: PLAN[name] for name in wanted if PLAN[name] is not None}
    made = {
        name: make(
            name=name, namespace=NAMESPACE, lifetime="detached", max_restarts=-1, **needs
        ).remote(PLAN, number)
        for number, name in enumerate(names)
    }
    try:
        return settled(ray, made)
    except BaseException:
        # Leave nothing half started.
        for actor in made.values():
            ray.kill(actor, no_restart=True)
        raise


def settled(ray: Any, made: dict[str, Any]) -> dict[str, Any]:
    """Return what has become of the actors.

    Raises:
        LaunchError: one could not be created, or its worker ended immediately.
    """
    placed = {actor.look.remote(): name for name, actor in made.items()}
    there, away = ray.wait(list(placed), num_returns=len(placed), timeout=ROOM_S)
    for reference in there:
        answer(ray, reference)
    ready = {made[placed[one]].settle.remote(READY_S): placed[one] for one in there}
    running: dict[str, Any] = {}
    for reference, name in ready.items():
        found = answer(ray, reference)
        if found["status"] is not None:
            last = next((line for line in reversed(found["tail"]) if line), "it said nothing")
            raise LaunchError(
                f"a worker ended on {found['host']} with status {found['status']}: {last}"
            )
        running[name] = found
    return {"running": running, "waiting": sorted(placed[one] for one in away)}


def answer(ray: Any, reference: Any) -> Any:
    """Return an actor's answer.

    Raises:
        LaunchError: the actor could not be created; the text is that of the underlying error.
    """
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as exc:
        raise LaunchError(said_of(exc)) from exc


def said_of(error: BaseException) -> str:
    """Return the message in a Ray error, which wraps the exception raised by an actor."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    own = [line.partition("LaunchError: ")[2] for line in lines if "LaunchError: " in line]
    return (own or lines or [type(error).__name__])[-1][:1000]


def actors(ray: Any) -> dict[str, Any]:
    """Return the actors with this plan's name, whatever their number."""
    named = ray.util.list_named_actors(all_namespaces=True)
    names = [entry["name"] for entry in named if entry["namespace"] == NAMESPACE]
    ours = [name for name in names if name.rpartition("-")[0] == PLAN["name"]]
    return {name: ray.get_actor(name, namespace=NAMESPACE) for name in sorted(ours)}


def show(ray: Any) -> dict[str, Any]:
    """Return the state of the actors; those that do not answer wait for room or are restarting.

    A worker's last output is available once it has ended.
    """
    asked = {name: actor.look.remote() for name, actor in actors(ray).items()}
    if asked:
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=LOOK_S)
    found: dict[str, Any] = {}
    for name, reference in asked.items():
        ready, _ = ray.wait([reference], timeout=0)
        found[name] = answer(ray, reference) if ready else {"state": "waiting"}
        if found[name].get("status") is None:
            found[name].pop("tail", None)
    return found


def stop(ray: Any) -> dict[str, Any]:
    """Let every worker leave with a checkpoint of its trial, and end the actors."""
    found = actors(ray)
    there = [found[name] for name, state in show(ray).items() if "pid" in state]
    asked = [actor.leave.remote(LEAVE_S) for actor in there]
    if asked:
        ray.wait(asked, num_returns=len(asked), timeout=LEAVE_S + 10)
    for actor in found.values():
        ray.kill(actor, no_restart=True)
    return {"stopped": sorted(found)}


def connect() -> Any:
    """Return Ray, connected to the cluster.

    Raises:
        LaunchError: this Python has no Ray, or there is none at the address.
    """
    # There may be a file called ray.py beside this one.
    here = str(Path(__file__).resolve().parent)
    sys.path[:] = [path for path in sys.path if path not in ("", here)]
    address = PLAN["address"] or os.environ.get("RAY_ADDRESS") or "auto"
    require_answer(address)
    try:
        import ray
    except ImportError as exc:
        raise LaunchError(
            f"{sys.executable} has no Ray ({exc}): name one with --ray-python"
        ) from exc
    try:
        ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, logging_level="ERROR")
    except Exception as exc:
        raise LaunchError(f"no Ray answers at {address}: {said_of(exc)}") from exc
    return ray


def require_answer(address: str) -> None:
    """Raise for an address where nothing listens; Ray itself would try for a minute.

    Raises:
        LaunchError: nothing listens there.
    """
    if address in ("auto", "local"):
        return
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=10):
            return
    except (OSError, ValueError, OverflowError) as exc:
        raise LaunchError(
            f"no Ray answers at {address}: {exc}; give the address that `ray start --head` "
            "printed, as 10.0.0.5:6379"
        ) from exc


def stop_command() -> str:
    """Return the command that stops the workers."""
    return f"{sys.executable} {Path(__file__).resolve()} stop"


def main(words: list[str]) -> int:
    """Execute the verb; print one JSON document."""
    verbs = {"start": start, "list": show, "stop": stop}
    if len(words) != 1 or words[0] not in verbs:
        print(f"usage: {Path(__file__).name} {'|'.join(verbs)}", file=sys.stderr)
        return 2
    # Ray also prints to standard output, which is reserved for the document.
    out, sys.stdout = sys.stdout, sys.stderr
    try:
        document = verbs[words[0]](connect())
    except LaunchError as exc:
        print(f"tuner: {exc}", file=sys.stderr)
        return 2
    print(json.dumps(document, indent=2), file=out, flush=True)
    return 0


def leave(status: int) -> NoReturn:
    """Exit without Ray's own shutdown, which waits."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
