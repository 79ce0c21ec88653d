"""Checks the service, its own report, the token, and its workers."""

from __future__ import annotations

import os
import platform
import socket
import time
from collections.abc import Iterator
from typing import Any

from tuner.errors import SetupError
from tuner.local.doctor.files import file_system, mode_of
from tuner.local.doctor.finding import DoctorFinding, failed, ok, warning
from tuner.local.home import read_service, read_token, running_service
from tuner.protocol import VERSION, clock_off_s
from tuner.release import release
from tuner.settings import Settings

_SUBJECT = "service"
#: Seconds of clock difference that may be due to a busy host.
_SKEW_S = 5.0


def look_at_service(settings: Settings) -> Iterator[DoctorFinding]:
    """Yield the state of the server of this home or `TUNER_API_URL`, its token and workers."""
    yield from _token_file(settings)
    urls = _urls(settings)
    for url in urls:
        yield from _server(settings, url)
    if urls:
        return
    left = read_service(settings)
    if left is not None:
        yield warning(
            _SUBJECT,
            f"not running: the one that wrote service.json (pid {left.pid}) has been killed",
            "nothing is lost; the next command that needs it starts it again",
        )
    else:
        yield ok(_SUBJECT, "not running; the first command that needs it starts it")


def _urls(settings: Settings) -> list[str]:
    if settings.api_url:
        return settings.api_url.split(",")
    info = running_service(settings)
    return [] if info is None else [info.url]


def _token_file(settings: Settings) -> Iterator[DoctorFinding]:
    mode = mode_of(settings.token_path)
    if mode is not None and mode & 0o077:
        path = settings.token_path
        yield failed(
            "token",
            f"others can read {path} (mode {mode:o}): whoever did may steer every study",
            f"tuner down; rm {path} (the next start makes a new one)",
        )


def _server(settings: Settings, url: str) -> Iterator[DoctorFinding]:
    import httpx

    try:
        # No token is sent over a network unencrypted.
        settings.trust.require_private(url)
        verify = settings.trust.context() if url.startswith("https") else True
        with httpx.Client(base_url=url, timeout=8.0, verify=verify, trust_env=False) as http:
            asked = time.time()
            alive = http.get("/v1/health")
            answered = time.time()
            health = _json(alive)
            ready = http.get("/readyz")
            answer = http.get("/v1/workers", headers=_bearer(settings))
    except SetupError as exc:
        yield failed(_SUBJECT, str(exc), "")
        return
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
        yield failed(
            _SUBJECT,
            f"{url} does not answer: {exc or type(exc).__name__}",
            "see service.log in the home; tuner down ends it, the next command starts it"
            if not settings.api_url
            else "see whether it runs there, and whether TUNER_API_URL is right",
        )
        return
    if health.get("service") != "tuner":
        yield failed(
            _SUBJECT, f"{url} answers, but is not a Tuner server", "set TUNER_API_URL to the server"
        )
        return
    yield from _itself(url, health, _json(ready))
    yield from _clock(alive.headers.get("date"), asked, answered)
    if answer.status_code in (401, 403):
        yield failed("token", _refused(settings, answer.status_code), _way_to_token(settings))
        return
    yield ok("token", "valid")
    if answer.status_code == 200:
        yield from _workers(settings, answer.json())


def _itself(url: str, health: dict[str, Any], ready: dict[str, Any]) -> Iterator[DoctorFinding]:
    theirs = health.get("release")
    if health.get("protocol") != VERSION:
        yield failed(
            "versions",
            f"the server is {theirs} (protocol {health.get('protocol')}), here is {release()} "
            f"(protocol {VERSION})",
            "install the same release on both sides",
        )
    elif theirs != release():
        yield warning(
            "versions",
            f"the server is {theirs}, here is {release()}",
            "tuner down, then any command starts this release",
        )
    for part, reason in {**ready.get("failing", {})}.items():
        yield failed(
            _SUBJECT, f"not ready: {part} {reason}", "the line of that part says what to do"
        )
    for part, reason in {**ready.get("warnings", {})}.items():
        yield warning(_SUBJECT, f"{part} {reason}", "the line of that part says what to do")
    if not ready.get("failing"):
        yield ok(_SUBJECT, f"ready at {url} (pid {health.get('pid')}, Tuner {theirs})")


def _clock(date: str | None, asked: float, answered: float) -> Iterator[DoctorFinding]:
    """Yield how far the server's clock is off; a busy server's answer may be seconds late."""
    off = clock_off_s(date, asked, answered)
    if abs(off) > _SKEW_S:
        yield warning(
            "clocks",
            f"the server's clock is {abs(off):.0f} s {'ahead' if off > 0 else 'behind'}",
            "set both by NTP: times that are shown and expiries of tokens follow them",
        )


def _workers(settings: Settings, rows: list[dict[str, Any]]) -> Iterator[DoctorFinding]:
    if not rows:
        yield ok("workers", "none are up (tuner workers up; tuner run brings its own)")
        return
    out = [row for row in rows if row["state"] == "out of service"]
    for row in out[:5]:
        yield warning(
            "workers",
            f"{row['name']} on {row['host']} is out of service: {row['reason']}",
            # No self-test repairs an image; the reason says what helps.
            "start it from the image of its token, or give it a token for its own"
            if row.get("image_problem")
            else f"repair that, then: tuner workers test {row['name']}",
        )
    for theirs in sorted({str(row["release"]) for row in rows} - {"", release()}):
        names = ", ".join(row["name"] for row in rows if row["release"] == theirs)[:120]
        yield warning(
            "workers", f"{names}: Tuner {theirs}, here {release()}", "update them in turn"
        )
    elsewhere = sorted({str(row["host"]) for row in rows} - {socket.gethostname(), platform.node()})
    kind = file_system(settings.log_root)
    if elsewhere and kind in ("ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs"):
        yield warning(
            "log root",
            f"{settings.log_root} is a disk of this host ({kind}), and there are workers on "
            f"{', '.join(elsewhere[:3])}",
            "name a folder that server and workers share in TUNER_LOG_ROOT, and the same for "
            "TUNER_CHECKPOINT_ROOT",
        )
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["state"]] = counts.get(row["state"], 0) + 1
    yield ok("workers", ", ".join(f"{count} {state}" for state, count in sorted(counts.items())))


def _bearer(settings: Settings) -> dict[str, str]:
    token = read_token(settings)
    return {"authorization": f"Bearer {token}"} if token else {}


def _refused(settings: Settings, status: int) -> str:
    if not read_token(settings):
        return "the server wants one, and there is none here"
    where = "TUNER_TOKEN" if settings.token else str(settings.token_path)
    if status == 403:
        return f"the one in {where} may not look at workers: it is of another scope"
    return f"the one in {where} is not valid for that server"


def _way_to_token(settings: Settings) -> str:
    if settings.api_url:
        return "ask who runs the server for one (tuner token create), and put it into TUNER_TOKEN"
    if settings.token and os.path.exists(settings.token_path):  # noqa: PTH110 - only a look
        return f"unset TUNER_TOKEN: the home has its own in {settings.token_path}"
    return "tuner down, then any command: service and commands then read the same file"


def _json(answer: Any) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
