"""The worker side of the HTTP API; one client, one connection, for the life of the process."""

from __future__ import annotations

import json
import logging
import ssl
import time
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

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
from workers.host.erasing import erase

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 2.0
#: A worker that waits for an answer neither ends an overdue trial nor sees its process die.
READ_TIMEOUT_S = 5.0
CODE_TIMEOUT_S = 60.0
#: Less than the server's, which must not close a connection while a call is being sent on it, and
#: more than the time between two beats.
KEEP_CONNECTION_S = 60.0

_TRUST = Trust()
_M = TypeVar("_M", bound=Message)

#: The attempt is another's, or gone.
_FENCED = (404, 409, 410)
_TOO_OFTEN = 429
_NOT_LET_IN = (401, 403)
#: The message itself is at fault, so that no repetition of it helps.
_REFUSED = (400, 413, 422)


class TokenError(SetupError):
    """The server does not accept this worker's token: only a person can repair that."""


class VersionError(SetupError):
    """The server speaks another version of the protocol: one of the two images is too old."""


class ClaimRefusedError(SetupError):
    """The server does not take what this worker says of itself."""


class RefusedError(Exception):
    """The server does not take a message, and would not take it again; the text says why."""


class MissingCodeError(Exception):
    """The server does not hold the code snapshot of an attempt."""


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """What the server tells a worker at the first call."""

    release: str
    redis_url: str | None
    beat_s: float
    lease_s: float


class WorkerApi:
    """Calls of a worker.

    Every method raises `UnavailableError` when there was no answer (refused, timed out, 5xx, no
    JSON): the call may be repeated as it is. `TokenError` says that repeating is useless.

    Args:
        url: of the server, without /v1. Several servers on one database: their URLs with commas
            between them; when one gives no answer, the next call goes to the next.
        token: the bearer token.
        trust: whose certificates are believed, and whether the token may go unencrypted.

    Raises:
        SetupError: a URL is none, or the token would go unencrypted.
    """

    def __init__(self, url: str, token: str, trust: Trust = _TRUST) -> None:
        self._urls = _urls(url)
        self._secrets = [token]
        self._trust = trust
        for one in self._urls:
            trust.require_private(one)
        # Without a context of its own httpx reads every certificate of the host, 20 ms, even for
        # http://.
        verify: ssl.SSLContext | bool = (
            trust.context() if any(one.startswith("https:") for one in self._urls) else False
        )
        hosts = [httpx.URL(one).host for one in self._urls]
        #: Whether the server's clock was compared with ours.
        self._knows_clock = False
        #: The server wants to be asked nothing until then (monotonic).
        self._quiet_until = 0.0
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(keepalive_expiry=KEEP_CONNECTION_S),
            verify=verify,
            # A proxy of the host's is for the world outside.
            trust_env=not all(host.startswith(("127.", "localhost", "::1")) for host in hosts),
        )

    @property
    def url(self) -> str:
        """The server that is asked at present."""
        return self._urls[0]

    def config(self) -> ServerConfig:
        """Ask for the settings of the server.

        Raises:
            VersionError: it speaks another version of the protocol.
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
        password = urlsplit(redis_url or "").password
        if password and password not in self._secrets:
            self._secrets.append(password)
        return ServerConfig(
            release=str(data.get("release", "")),
            redis_url=redis_url and self._trust.complete(str(redis_url)),
            beat_s=float(data.get("beat_s", BEAT_S)),
            lease_s=float(data.get("lease_s", LEASE_S)),
        )

    def claim(self, claim: Claim) -> Assignment | None:
        """Ask for an attempt; None when there is none.

        Raises:
            VersionError: the server does not speak with workers of this version.
            ClaimRefusedError: the server does not take what the worker says of itself.
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
        """Give a sign of life.

        Raises:
            FencedError: the attempt is no longer this worker's.
            RefusedError: the server does not take the message.
        """
        return _parse(Reply, self._checked(self._send("POST", "/beat", beat)))

    def report(self, attempt: str, report: Message) -> Reply:
        """Post points of an attempt.

        Raises:
            FencedError: the attempt is no longer this worker's.
            RefusedError: the server does not take these points.
        """
        path = f"/attempts/{quote(attempt, safe='')}/report"
        return _parse(Reply, self._checked(self._send("POST", path, report)))

    def finish(self, attempt: str, body: str) -> Finished:
        """Say how an attempt ended; `body` is the same at every repetition.

        Raises:
            FencedError: the attempt is no longer this worker's.
            RefusedError: the server does not take this result.
        """
        path = f"/attempts/{quote(attempt, safe='')}/finish"
        return _parse(Finished, self._checked(self._send("POST", path, body)))

    def code(self, sha256: str) -> bytes:
        """Fetch a code snapshot.

        Raises:
            MissingCodeError: the server has none of that hash.
        """
        response = self._send("GET", f"/code/{sha256}", wait_s=CODE_TIMEOUT_S)
        if response.status_code != 200:
            raise MissingCodeError(f"code snapshot {sha256}: {_reason(response)}")
        return response.content

    def forget(self) -> None:
        """Erase token and passwords; for a forked process, which inherits them in its memory."""
        self._client.headers.pop("Authorization", None)
        erase([secret.encode() for secret in self._secrets])

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
        # It was told so: that is as if the answer had taken so long.
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
        """Say, once, that the clocks differ."""
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
    """Return the problem document's detail, else the status."""
    try:
        detail = response.json().get("detail")
    except (ValueError, AttributeError):
        detail = None
    return f"{response.status_code} {detail or response.reason_phrase}"
