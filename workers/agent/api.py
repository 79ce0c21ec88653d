"""The worker's side of the HTTP API; one client, one connection, for the life of the process."""

from __future__ import annotations

import json
import logging
import ssl
import time
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from tuner.errors import FencedError, SetupError, UnavailableError
from tuner.protocol import (
    BEAT_S,
    LEASE_S,
    VERSION,
    Assignment,
    Beat,
    Claim,
    Finished,
    Message,
    ProtocolError,
    Reply,
    clocks_text,
    dumps,
    retry_after_s,
)
from tuner.runtime.light_httpx import httpx
from tuner.security.trust import Trust, explain_tls

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 2.0
#: Seconds; a worker that waits for an answer neither ends an overdue trial nor sees its process
#: die.
READ_TIMEOUT_S = 5.0
CODE_TIMEOUT_S = 60.0
#: Seconds; less than the server's limit, so that it does not close a connection while a call is
#: being sent, and more than the time between two beats.
KEEP_CONNECTION_S = 60.0

_TRUST = Trust()
_M = TypeVar("_M", bound=Message)

#: The attempt belongs to another worker, or is gone.
_FENCED = (404, 409, 410)
_TOO_OFTEN = 429
_NOT_LET_IN = (401, 403)
#: The message itself is faulty, so that repeating it does not help.
_REFUSED = (400, 413, 422)


class TokenError(SetupError):
    """The server does not accept this worker's token: only a person can fix that."""


class VersionError(SetupError):
    """The server uses another version of the protocol: one of the two images is too old."""


class ClaimRefusedError(SetupError):
    """The server rejects what this worker reports about itself."""


class RefusedError(Exception):
    """The server rejects a message for good; the text says why."""


class MissingCodeError(Exception):
    """The server does not have the code snapshot of an attempt."""


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """The server's answer to a worker's first call."""

    release: str
    redis_url: str | None
    beat_s: float
    lease_s: float


class WorkerApi:
    """Calls of a worker.

    Every method raises `UnavailableError` if there was no answer (refused, timed out, 5xx, no
    JSON): the call may be repeated unchanged. `TokenError` means that repeating is useless.

    Args:
        url: of the server, without /v1. For several servers on one database: their URLs separated
            by commas; if one gives no answer, the next call goes to the next one.
        token: the bearer token.
        trust: which certificates are trusted, and whether the token may be sent unencrypted.

    Raises:
        SetupError: a URL is invalid, or the token would be sent unencrypted.
    """

    def __init__(self, url: str, token: str, trust: Trust = _TRUST) -> None:
        self._urls = _urls(url)
        self._trust = trust
        for one in self._urls:
            trust.require_private(one)
        # Without its own context httpx reads all certificates of the host, which takes 20 ms, even
        # for http://.
        verify: ssl.SSLContext | bool = (
            trust.context() if any(one.startswith("https:") for one in self._urls) else False
        )
        hosts = [httpx.URL(one).host for one in self._urls]
        #: Whether the server's clock was compared with ours.
        self._knows_clock = False
        #: The server must not be called before this time (monotonic).
        self._quiet_until = 0.0
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(keepalive_expiry=KEEP_CONNECTION_S),
            verify=verify,
            # A proxy configured on the host is for external addresses.
            trust_env=not all(host.startswith(("127.", "localhost", "::1")) for host in hosts),
        )

    @property
    def url(self) -> str:
        """The server used at present."""
        return self._urls[0]

    def config(self) -> ServerConfig:
        """Get the settings of the server.

        Raises:
            VersionError: it uses another version of the protocol.
        """
        asked = time.time()
        response = self._send("GET", "/config")
        self._look_at_clock(response, asked, time.time())
        data = _json(response)
        theirs = data.get("protocol")
        if theirs != VERSION:
            raise VersionError(
                f"the server at {self.url} speaks protocol {theirs}, this worker {VERSION}: "
                f"install release {data.get('release')} of tuner-service here, or update the server"
            )
        redis_url = data.get("redis_url")
        return ServerConfig(
            release=str(data.get("release", "")),
            redis_url=redis_url and self._trust.complete(str(redis_url)),
            beat_s=float(data.get("beat_s", BEAT_S)),
            lease_s=float(data.get("lease_s", LEASE_S)),
        )

    def claim(self, claim: Claim) -> Assignment | None:
        """Request an attempt; None if there is none.

        Raises:
            VersionError: the server does not work with workers of this version.
            ClaimRefusedError: the server rejects what the worker reports about itself.
        """
        response = self._send("POST", "/claim", claim, wait_s=claim.wait_s)
        if response.status_code == 204:
            return None
        if response.status_code == 409:
            raise VersionError(f"{self.url} refuses this worker: {_reason(response)}")
        if response.status_code in _REFUSED:
            raise ClaimRefusedError(f"{self.url} refuses this worker: {_reason(response)}")
        if response.status_code != 200:
            raise UnavailableError(f"claim: {_reason(response)}")
        return _parse(Assignment, response)

    def beat(self, beat: Beat) -> Reply:
        """Send a beat.

        Raises:
            FencedError: the attempt is no longer this worker's.
            RefusedError: the server rejects the message.
        """
        return _parse(Reply, self._checked(self._send("POST", "/beat", beat)))

    def report(self, attempt: str, report: Message) -> Reply:
        """Post points of an attempt.

        Raises:
            FencedError: the attempt is no longer this worker's.
            RefusedError: the server rejects these points.
        """
        path = f"/attempts/{quote(attempt, safe='')}/report"
        return _parse(Reply, self._checked(self._send("POST", path, report)))

    def finish(self, attempt: str, body: str) -> Finished:
        """Report how an attempt ended; `body` must be the same at every repetition.

        Raises:
            FencedError: the attempt is no longer this worker's.
            RefusedError: the server rejects this result.
        """
        path = f"/attempts/{quote(attempt, safe='')}/finish"
        return _parse(Finished, self._checked(self._send("POST", path, body)))

    def code(self, sha256: str) -> bytes:
        """Fetch a code snapshot.

        Raises:
            MissingCodeError: the server has none with that hash.
        """
        response = self._send("GET", f"/code/{sha256}", wait_s=CODE_TIMEOUT_S)
        if response.status_code != 200:
            raise MissingCodeError(f"code snapshot {sha256}: {_reason(response)}")
        return response.content

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _send(
        self, method: str, path: str, body: Message | str | None = None, *, wait_s: float = 0.0
    ) -> httpx.Response:
        content = dumps(body) if isinstance(body, Message) else body
        timeout = (
            httpx.Timeout(READ_TIMEOUT_S + wait_s, connect=CONNECT_TIMEOUT_S)
            if wait_s
            else httpx.USE_CLIENT_DEFAULT
        )
        # The server said so: it is as if its answer had taken this long.
        if (left := self._quiet_until - time.monotonic()) > 0:
            time.sleep(left)
        try:
            response = self._client.request(
                method, f"{self.url}/v1{path}", content=content, timeout=timeout
            )
        except httpx.HTTPError as exc:
            text = f"{self.url}: {exc or type(exc).__name__}{explain_tls(str(exc))}"
            self._urls.append(self._urls.pop(0))
            raise UnavailableError(text) from exc
        if response.status_code in _NOT_LET_IN:
            raise TokenError(f"{self.url} refuses this worker's token: {_reason(response)}")
        if response.status_code == _TOO_OFTEN:
            wait_s = retry_after_s(response.headers.get("Retry-After"), READ_TIMEOUT_S)
            self._quiet_until = time.monotonic() + wait_s
        if response.status_code >= 500 or response.status_code in (408, _TOO_OFTEN):
            raise UnavailableError(f"{self.url}: {_reason(response)}")
        return response

    def _look_at_clock(self, response: httpx.Response, asked: float, answered: float) -> None:
        """Log, once, that the clocks differ."""
        text = clocks_text(self.url, response.headers.get("date"), asked, answered)
        if text and not self._knows_clock:
            logger.warning("clocks differ", extra={"reason": text})
        self._knows_clock = True

    def _checked(self, response: httpx.Response) -> httpx.Response:
        if response.status_code in _FENCED:
            raise FencedError(_reason(response))
        if 400 <= response.status_code < 500:
            raise RefusedError(_reason(response))
        if response.status_code != 200:
            raise UnavailableError(f"{self.url}: {_reason(response)}")
        return response


def _urls(text: str) -> list[str]:
    urls = [url.strip().rstrip("/").removesuffix("/v1") for url in text.split(",")]
    for url in urls:
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            parsed = httpx.URL("")
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise SetupError(f"TUNER_API_URL: {url!r}: not a URL like http://tuner.example:8080")
    return urls


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        data = response.json()
    except ValueError as exc:
        raise UnavailableError(f"{response.url}: the answer is not JSON") from exc
    if response.status_code != 200 or not isinstance(data, dict):
        raise UnavailableError(f"{response.url}: {_reason(response)}")
    return data


def _parse(kind: type[_M], response: httpx.Response) -> _M:
    try:
        return kind.from_json(json.loads(response.content))
    except (ProtocolError, ValueError) as exc:
        raise UnavailableError(f"{response.url}: {exc}") from exc


def _reason(response: httpx.Response) -> str:
    """Return the problem document's detail, or else the status."""
    try:
        detail = response.json().get("detail")
    except (ValueError, AttributeError):
        detail = None
    return f"{response.status_code} {detail or response.reason_phrase}"
