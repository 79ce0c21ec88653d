"""Workers of Tuner as actors of Ray: `start` makes them, `list` shows them, `stop` ends them.

This file is run by Ray's own Python, which needs Ray and the standard library and nothing else;
`tuner launch ray` puts the plan and the actor (`ray_worker.py`) into it, and writes it where it is
run from.
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
#: Of the actors' names, in which nobody else's stand.
NAMESPACE = "tuner"
#: A worker imports Keras before it says that it is ready.
READY_S = 120.0
#: A cluster without room starts its actors later.
ROOM_S = 30.0
#: An actor that has not answered by then has no room yet, or is being started again.
LOOK_S = 10.0


def start(ray: Any) -> dict[str, Any]:
    """Make the actors; return those that run and those that wait for room.

    Raises:
        LaunchError: there are some of that name, or a worker cannot start.
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
        # Nothing half started.
        for actor in made.values():
            ray.kill(actor, no_restart=True)
        raise


def settled(ray: Any, made: dict[str, Any]) -> dict[str, Any]:
    """Return what has become of the actors.

    Raises:
        LaunchError: one could not be made, or its worker ended at once.
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
    """Return what an actor answers.

    Raises:
        LaunchError: it could not be made; the text is that of its own.
    """
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as exc:
        raise LaunchError(said_of(exc)) from exc


def said_of(error: BaseException) -> str:
    """Return the sentence in an error of Ray, which wraps what an actor has raised."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    own = [line.partition("LaunchError: ")[2] for line in lines if "LaunchError: " in line]
    return (own or lines or [type(error).__name__])[-1][:1000]


def actors(ray: Any) -> dict[str, Any]:
    """Return the actors of this plan's name, whatever number they have."""
    named = ray.util.list_named_actors(all_namespaces=True)
    names = [entry["name"] for entry in named if entry["namespace"] == NAMESPACE]
    ours = [name for name in names if name.rpartition("-")[0] == PLAN["name"]]
    return {name: ray.get_actor(name, namespace=NAMESPACE) for name in sorted(ours)}


def show(ray: Any) -> dict[str, Any]:
    """Return the state of the actors; those that do not answer wait for room or are restarted.

    What a worker has said last is there once it has ended.
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
    """Let every worker leave, with a checkpoint of its trial, and end the actors."""
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
        LaunchError: there is no Ray in this Python, or none at the address.
    """
    # Beside this file may lie one that is called ray.py.
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
    """Refuse an address where nothing listens; Ray itself would try for a minute.

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
    """Return what is typed to stop the workers."""
    return f"{sys.executable} {Path(__file__).resolve()} stop"


def main(words: list[str]) -> int:
    """Do what is asked; print one JSON document."""
    verbs = {"start": start, "list": show, "stop": stop}
    if len(words) != 1 or words[0] not in verbs:
        print(f"usage: {Path(__file__).name} {'|'.join(verbs)}", file=sys.stderr)
        return 2
    # Ray prints on standard output as well, which is for the document alone.
    out, sys.stdout = sys.stdout, sys.stderr
    try:
        document = verbs[words[0]](connect())
    except LaunchError as exc:
        print(f"tuner: {exc}", file=sys.stderr)
        return 2
    print(json.dumps(document, indent=2), file=out, flush=True)
    return 0


def leave(status: int) -> NoReturn:
    """End without Ray's own farewell, which waits."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
