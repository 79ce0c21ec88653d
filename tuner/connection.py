"""The connection to a Tuner server: how to reach it, and what its answers mean."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from tuner.errors import (
    ClockWarning,
    ForbiddenError,
    NotFoundError,
    SetupError,
    SpecError,
    StudyError,
    TunerError,
    UnavailableError,
)
from tuner.protocol import clocks_text, retry_after_s
from tuner.refusal import REFUSAL_HEADER, ChangedError, Refusal
from tuner.runtime.light_httpx import httpx
from tuner.security.account import ACTOR_HEADER, account
from tuner.security.trust import Trust, explain_tls

_TRUST = Trust()
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
#: The server has processed nothing of such a request, so it can be sent again.
_TOO_OFTEN = 429
#: A refused request is repeated when the server says, at most after `_MOST_S` seconds each time,
#: for this number of seconds in total.
_BUSY_S = 60.0
_MOST_S = 10.0
_ERRORS: dict[int, type[TunerError]] = {
    400: SpecError,
    404: NotFoundError,
    409: StudyError,
    410: StudyError,
    413: SpecError,
    422: SpecError,
}


class Connection:
    """A connection to a Tuner server; close it after use.

    Args:
        url: the server's URL, without `/v1`.
        token: bearer token; None suffices for `/health` only.
        trust: which certificates to trust, and whether the token may be sent unencrypted.

    Raises:
        SetupError: the URL is invalid, or the token would be sent unencrypted.
    """

    #: Servers whose clock was checked: the warning is given once.
    _clocks: ClassVar[set[str]] = set()

    def __init__(self, url: str, token: str | None, trust: Trust = _TRUST) -> None:
        self.url = url.rstrip("/")
        headers = {ACTOR_HEADER: account(), REFUSAL_HEADER: "yes"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        is_tls = self.url.startswith("https")
        # Making a TLS context takes 20 ms, which plain HTTP does not need.
        verify = trust.context() if is_tls else False
        try:
            self._http = httpx.Client(
                base_url=self.url + "/v1",
                headers=headers,
                timeout=_TIMEOUT,
                verify=verify,
                # A server in the local network has no proxy in front of it, and looking for one is
                # slow.
                trust_env=is_tls,
            )
        except (httpx.InvalidURL, ValueError) as exc:
            raise SetupError(f"TUNER_API_URL={url!r}: not a URL: {exc}") from exc
        if self._http.base_url.scheme not in ("http", "https") or not self._http.base_url.host:
            self._http.close()
            raise SetupError(f"TUNER_API_URL={url!r}: not a URL like http://tuner.example:8080")
        if token:
            try:
                trust.require_private(self.url)
            except SetupError:
                self._http.close()
                raise

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _get(self, path: str, **query: str | int) -> Any:
        return self._call("GET", path, params=query)

    def _do(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._call(method, path, json=body)

    def _call(self, method: str, path: str, **options: Any) -> Any:
        answer = self._send(method, path, **options)
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise SetupError(f"{self.url}: answers, but is not a Tuner server") from None

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        give_up = time.monotonic() + _BUSY_S
        answer = self._send_once(method, path, **options)
        while answer.status_code == _TOO_OFTEN and time.monotonic() < give_up:
            time.sleep(retry_after_s(answer.headers.get("Retry-After"), _MOST_S))
            answer = self._send_once(method, path, **options)
        if not answer.is_success:
            raise _translate(self.url, answer)
        return answer

    def _send_once(self, method: str, path: str, **options: Any) -> httpx.Response:
        asked = time.time()
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as exc:
            text = str(exc) or type(exc).__name__
            text += explain_tls(text)
            raise UnavailableError(f"{self.url}: the Tuner server does not answer: {text}") from exc
        if self.url not in self._clocks:
            self._clocks.add(self.url)
            text = clocks_text(self.url, answer.headers.get("date"), asked, time.time())
            if text:
                warnings.warn(text, ClockWarning, stacklevel=4)
        return answer


def _translate(url: str, answer: httpx.Response) -> TunerError:
    """Return our error for a problem document."""
    refusal = None
    try:
        problem = answer.json()
        detail = str(problem.get("detail") or problem.get("title") or answer.reason_phrase)
        refusal = Refusal.from_json(problem.get("refusal"))
    except (ValueError, AttributeError):
        detail = f"{answer.status_code} {answer.reason_phrase}"
    if answer.status_code == 403:
        return ForbiddenError(f"{url}: {detail}")
    if answer.status_code == 401:
        return SetupError(f"{url}: {detail}; set TUNER_TOKEN or TUNER_TOKEN_FILE to its token")
    if refusal is not None:
        return ChangedError(refusal)
    kind = _ERRORS.get(answer.status_code)
    if kind is not None:
        return kind(detail)
    return UnavailableError(f"{url}: the Tuner server failed: {detail}")
