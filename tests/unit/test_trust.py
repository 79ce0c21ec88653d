"""Where a token may be sent, and how the authorities that are believed reach every store."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI

from tuner.client import ApiClient
from tuner.errors import SetupError
from tuner.security.trust import Trust, explain_tls, is_loopback
from tuner.server.http.http_server import make_config
from tuner.settings import load_settings
from workers.agent.api import WorkerApi
from workers.host.options import load_options

FAR = "http://tuner.example:8080"
CA = Path("/etc/authority.pem")


@pytest.mark.parametrize("client", [ApiClient, WorkerApi])
def test_no_client_sends_its_token_over_plain_http_to_another_machine(
    client: type[ApiClient] | type[WorkerApi],
) -> None:
    with pytest.raises(SetupError, match="use https://, or, where nobody else") as refusal:
        client(FAR, "secret-token")

    assert "secret-token" not in str(refusal.value)


@pytest.mark.parametrize("client", [ApiClient, WorkerApi])
@pytest.mark.parametrize(
    ("url", "trust"),
    [
        (FAR, Trust(plain_http=True)),
        ("https://tuner.example", Trust()),
        ("http://127.0.0.1:8080", Trust()),
        ("http://localhost:8080", Trust()),
        ("http://[::1]:8080", Trust()),
    ],
    ids=str,
)
def test_a_token_may_go_where_nobody_reads_it_or_somebody_said_so(
    client: type[ApiClient] | type[WorkerApi], url: str, trust: Trust
) -> None:
    with contextlib.closing(client(url, "token", trust)) as made:
        http = made._http if isinstance(made, ApiClient) else made._client
        assert http.headers["authorization"] == "Bearer token"


def test_every_server_of_a_list_is_looked_at() -> None:
    with pytest.raises(SetupError, match="TUNER_API_URL=http://second"):
        WorkerApi("https://first.example,http://second.example", "token")


def test_whether_a_server_answers_is_asked_without_a_token() -> None:
    with contextlib.closing(ApiClient(FAR, None)) as client:
        assert "authorization" not in client._http.headers


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("127.8.9.1", True),
        ("0.0.0.0", True),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("", False),
    ],
)
def test_the_loopback_is_an_address_and_no_name_that_looks_like_it(
    host: str, is_here: bool
) -> None:
    assert is_loopback(host) is is_here


@pytest.mark.parametrize("said", ["yes", "no"])
def test_commands_and_workers_read_the_same_settings(said: str) -> None:
    environ = {
        "TUNER_HOME": "/h",
        "TUNER_API_URL": "https://t",
        "TUNER_CA_FILE": str(CA),
        "TUNER_PLAIN_HTTP": said,
    }

    trust = Trust(ca_file=CA, plain_http=said == "yes")

    assert load_settings(environ).trust == load_options(environ).trust == trust


@pytest.mark.parametrize("load", [load_settings, load_options])
def test_what_is_neither_yes_nor_no_is_refused(load: object) -> None:
    environ = {"TUNER_HOME": "/h", "TUNER_API_URL": "https://t", "TUNER_PLAIN_HTTP": "maybe"}

    with pytest.raises(SetupError, match="TUNER_PLAIN_HTTP=maybe: yes or no"):
        load(environ)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("url", "completed"),
    [
        ("rediss://r:6379/0", "rediss://r:6379/0?ssl_ca_certs=/etc/authority.pem"),
        ("rediss://r/0?ssl_ca_certs=/own.pem", "rediss://r/0?ssl_ca_certs=/own.pem"),
        ("redis://r:6379/0", "redis://r:6379/0"),
        (
            "postgresql://p/t?sslmode=verify-full",
            "postgresql://p/t?sslmode=verify-full&sslrootcert=/etc/authority.pem",
        ),
        ("postgresql://p/t?sslmode=require", "postgresql://p/t?sslmode=require"),
        ("sqlite:////data/tuner.db", "sqlite:////data/tuner.db"),
    ],
)
def test_stores_are_checked_with_the_same_authorities_unless_they_name_their_own(
    url: str, completed: str
) -> None:
    assert Trust(ca_file=CA).complete(url) == completed
    assert Trust().complete(url) == url


@pytest.mark.parametrize(
    ("text", "said"),
    [("no certificate", "holds no certificate in PEM form"), (None, "cannot be read")],
)
def test_a_file_without_a_certificate_is_named(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)

    with pytest.raises(SetupError, match=f"TUNER_CA_FILE={file}: {said}"):
        Trust(ca_file=file).context()


def test_an_error_that_is_none_of_tls_is_not_explained() -> None:
    assert explain_tls("[Errno 111] Connection refused") == ""


@pytest.mark.parametrize("value", ["10.0.0.2", "10.0.0.0/24,::1"])
def test_proxies_are_addresses_and_networks(value: str) -> None:
    settings = load_settings({"TUNER_HOME": "/h", "TUNER_BEHIND_PROXY": value})

    assert settings.behind_proxy
    assert settings.proxies == tuple(value.split(","))


def test_a_proxy_that_is_no_address_is_refused() -> None:
    with pytest.raises(SetupError, match="nginx is neither an address nor a network"):
        load_settings({"TUNER_HOME": "/h", "TUNER_BEHIND_PROXY": "nginx"})


@pytest.mark.parametrize(
    ("proxies", "peer", "seen"),
    [
        (("10.0.0.2",), "10.0.0.2", "198.51.100.7"),
        (("10.0.0.0/24",), "10.0.0.2", "198.51.100.7"),
        (("10.0.0.2",), "10.0.0.3", "10.0.0.3"),
        ((), "10.0.0.2", "10.0.0.2"),
        ((), "127.0.0.1", "127.0.0.1"),
    ],
    ids=str,
)
def test_only_a_stated_proxy_says_where_a_request_comes_from(
    proxies: tuple[str, ...], peer: str, seen: str
) -> None:
    clients: list[str] = []

    async def app(scope: Any, _receive: object, _send: object) -> None:
        clients.append(scope["client"][0])

    config = make_config(cast("FastAPI", app), proxies)
    config.load()
    scope = {
        "type": "http",
        "client": (peer, 1),
        "headers": [(b"x-forwarded-for", b"203.0.113.9, 198.51.100.7")],
    }
    asyncio.run(config.loaded_app(scope, None, None))  # type: ignore[arg-type]

    assert clients == [seen]
