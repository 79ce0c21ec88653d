"""Starts one worker: settings, the Keras backend, the first call, the loop."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tuner.errors import UnavailableError
from tuner.protocol import Device, Isolation, WorkerInfo
from tuner.security.secrecy import wipe_environment
from workers.agent.announcing import announced
from workers.agent.api import ClaimRefusedError, TokenError, VersionError, WorkerApi
from workers.agent.code_cache import CodeCache
from workers.agent.context import WorkerContext
from workers.agent.version_check import first_call, require_current, require_fit
from workers.agent.worker import Worker
from workers.backends.devices import take_device
from workers.backends.selection import BackendSelection
from workers.host.device_sets import parse_device, resolve_visible
from workers.host.devices import DeviceError, check_gpus
from workers.host.image_facts import FoundFacts, find_facts
from workers.host.interpreter import SECRETS
from workers.host.linux import die_with_parent
from workers.host.names import new_process_id
from workers.host.options import WorkerOptions, load_options, load_token
from workers.host.orphans import adopt_orphans
from workers.host.shared_roots import require_shared_roots
from workers.host.shutdown import Shutdown, exit_quietly_on_signals
from workers.records.environment import Environment
from workers.stint import Stint, StintLimits
from workers.trial.fork_client import ForkClient

logger = logging.getLogger(__name__)

EXIT_LEFT = 0
EXIT_VERSION = 3
EXIT_TOKEN = 4
#: Exit status: the server did not answer for as long as the worker may stay without a trial.
EXIT_AWAY = 5


@dataclass(frozen=True, kw_only=True)
class WorkerArguments:
    """The command line of `python -m workers run`."""

    name: str
    #: "cpu" or "gpu:UUID", several GPUs separated by commas; "gpu:visible": those that a scheduler
    #: has assigned to this process.
    device: str = "cpu"
    isolation: Isolation = "fork"
    #: A backend of Keras, "keras" for the one selected by the environment, or "none".
    preimport: str = "keras"
    #: Process whose death ends this one; None for none.
    parent: int | None = None
    #: Pipe on which the supervisor reads this worker's state.
    status_fd: int | None = None
    #: Limits after which it leaves by itself.
    limits: StintLimits = field(default_factory=StintLimits)
    #: Unique id of the supervisor that runs one process at a time under this name.
    keeper: str | None = None


def run_worker(arguments: WorkerArguments, environ: MutableMapping[str, str]) -> int:
    """Run a worker until it is asked to leave; return the exit status.

    Raises:
        SetupError: the environment lacks a setting, or this host does not see the shared roots.
    """
    if arguments.parent is not None:
        die_with_parent(arguments.parent)
    adopt_orphans()
    exit_quietly_on_signals()
    options = load_options(environ)
    require_shared_roots(environ, options.log_root, options.checkpoint_root)
    kind, device_ids = _devices(arguments.device, environ)
    device_error = _device_error(device_ids)
    # What users' code inherits: backends are imported with it, and so is every trial.
    backends = BackendSelection(environ)
    take_device(kind, environ, backends.default_name)
    # Otherwise the import prints a dozen lines about the CPU; warnings and errors stay.
    environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    api = WorkerApi(options.api_url, load_token(environ), options.trust)
    for key in SECRETS:
        environ.pop(key, None)
    wipe_environment(SECRETS)
    forks = ForkClient(arguments.preimport, arguments.name)
    info = _info(arguments, options, kind, device_ids, find_facts(environ))
    tell = _teller(arguments.status_fd)
    try:
        require_fit(api, info)
        with announced(api, info):
            forks.wait_ready()
        if arguments.isolation == "spawn":
            # It has said what it imported, which is all that is needed of it.
            forks.close()
        _work(
            WorkerContext(
                api=api,
                info=info,
                environment=Environment(info, environ, forks.imported.facts),
                code=CodeCache(options.code_root, api.code),
                forks=forks,
                leave=Shutdown(),
                log_root=options.log_root,
                checkpoint_root=options.checkpoint_root,
                backends=backends,
                on_trial=lambda pid: tell({"trial_pid": pid}),
                device_error=device_error,
            ),
            arguments.limits,
            tell=lambda state: tell({"state": state}),
        )
    except (VersionError, ClaimRefusedError) as exc:
        logger.error("worker does not fit the server", extra={"reason": str(exc)})
        tell({"reason": str(exc)})
        return EXIT_VERSION
    except TokenError as exc:
        logger.error("worker is not let in", extra={"reason": str(exc)})
        return EXIT_TOKEN
    except UnavailableError as exc:
        logger.error("worker leaves", extra={"reason": str(exc)})
        return EXIT_AWAY
    finally:
        forks.close()
        api.close()
    return EXIT_LEFT


def _work(post: WorkerContext, limits: StintLimits, *, tell: Callable[[str], None]) -> None:
    config = first_call(post.api, post.leave, give_up_s=limits.idle_s)
    if config is None:
        return
    post.beat_s = config.beat_s
    logger.info("worker ready", extra={"device": post.info.device, "server": post.api.url})
    Worker(post, redis_url=config.redis_url, tell=tell, stint=Stint(limits)).run()
    require_current(post)


def _devices(text: str, environ: MutableMapping[str, str]) -> tuple[Device, list[str]]:
    """Return kind and UUIDs, and make exactly these devices visible to this process and its trials.

    Raises:
        SetupError: a single worker cannot own them.
    """
    kind, uuids = parse_device(resolve_visible(text, environ.get("CUDA_VISIBLE_DEVICES")))
    environ["CUDA_VISIBLE_DEVICES"] = ",".join(uuids) or "-1"
    return kind, uuids


def _device_error(device_ids: list[str]) -> str | None:
    """Return why a GPU is unusable. The worker starts nevertheless, and reports it to the server.

    It then appears in the list of workers with this reason, and enters service when the GPU does.
    """
    try:
        check_gpus(device_ids)
    except DeviceError as exc:
        logger.error("worker has no GPU", extra={"reason": str(exc)})
        return str(exc)
    return None


def _info(
    arguments: WorkerArguments,
    options: WorkerOptions,
    kind: Device,
    device_ids: list[str],
    facts: FoundFacts,
) -> WorkerInfo:
    from importlib.metadata import PackageNotFoundError, version

    try:
        release = version("tuner-service")
    except PackageNotFoundError:
        release = ""
    return WorkerInfo(
        name=arguments.name,
        host=socket.gethostname(),
        pid=os.getpid(),
        device=kind,
        device_id=device_ids[0] if device_ids else None,
        device_ids=device_ids,
        image=options.image,
        release=release,
        isolation=arguments.isolation,
        lock=facts.lock,
        files=facts.files,
        files_built=facts.files_built,
        process=new_process_id(),
        keeper=arguments.keeper,
    )


def _teller(fd: int | None) -> Callable[[dict[str, Any]], None]:
    """Return a function that writes this worker's state to the supervisor, if there is one."""
    if fd is None:
        return lambda _news: None
    os.set_inheritable(fd, False)

    def tell(news: dict[str, Any]) -> None:
        with suppress(OSError):
            os.write(fd, json.dumps(news).encode() + b"\n")

    return tell
