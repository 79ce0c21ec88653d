"""`tuner serve` for other machines: with TLS, behind a proxy, or not at all."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.certificates import Authority, Signed
from tests.support.patience import clock
from tuner.client import ApiClient
from tuner.errors import UnavailableError
from tuner.protocol import Beat, WorkerInfo
from tuner.security.trust import Trust
from workers.agent.api import WorkerApi


class Served:
    """`tuner serve` on a home of its own, on every address of this machine.

    Attributes:
        home: with the token.
        port: for other machines.
    """

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        home.mkdir(parents=True)
        self.log = home / "serve.log"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TUNER_")}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "tuner", "serve", "--host", "0.0.0.0"),
                    *("--port", str(self.port), *options),
                ],
                env={**kept, "TUNER_HOME": str(home)},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def wait(self) -> Served:
        deadline = clock() + 60
        while not (self.home / "service.json").exists():
            assert self._process.poll() is None, self.log.read_text()
            assert clock() < deadline, self.log.read_text()
            time.sleep(0.02)
        return self

    @property
    def token(self) -> str:
        return (self.home / "token").read_text().strip()

    def status(self) -> int:
        """Return the status that it ends with by itself."""
        return self._process.wait(60)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def signed(authority: Authority) -> Signed:
    # For the name alone: the address is then another one.
    return authority.sign("DNS:localhost")


@pytest.fixture(scope="module")
def served(signed: Signed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("served") / "home"
    served = Served(home, "--tls-cert", str(signed.cert), "--tls-key", str(signed.key))
    yield served.wait()
    served.close()


def test_commands_and_workers_reach_a_server_through_tls(
    served: Served, authority: Authority
) -> None:
    url, trust = f"https://localhost:{served.port}", Trust(ca_file=authority.cert)
    with ApiClient(url, served.token, trust) as api:
        assert api.list() == []
    worker = WorkerApi(url, served.token, trust)
    info = WorkerInfo(name="w1", host="elsewhere", pid=1)

    assert worker.beat(Beat(worker=info, state="idle")).order == "continue"
    worker.close()


@pytest.mark.parametrize(
    ("host", "knows", "said"),
    [
        ("localhost", "another", "is of an authority that this machine does not know"),
        ("localhost", "none", "is of an authority that this machine does not know"),
        ("127.0.0.1", "it", "is for another name"),
    ],
)
def test_a_wrong_authority_or_name_is_refused_with_a_sentence(
    served: Served, authority: Authority, tmp_path: Path, host: str, knows: str, said: str
) -> None:
    known = {"another": Authority(tmp_path, "another").cert, "none": None, "it": authority.cert}
    url, trust = f"https://{host}:{served.port}", Trust(ca_file=known[knows])
    api, worker = ApiClient(url, served.token, trust), WorkerApi(url, served.token, trust)

    for call in (api.list, worker.config):
        with pytest.raises(UnavailableError, match=said):
            call()
    api.close()
    worker.close()


def test_what_is_not_encrypted_gets_no_answer_there(served: Served) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{served.port}/healthz")


def test_this_machines_own_commands_need_no_certificate(served: Served) -> None:
    info = json.loads((served.home / "service.json").read_text())
    with ApiClient(info["url"], served.token) as api:
        assert api.list() == []

    assert info["url"].startswith("http://127.0.0.1:")


def test_a_renewed_certificate_is_shown_without_a_restart(
    served: Served, signed: Signed, tmp_path: Path
) -> None:
    renewed = Authority(tmp_path, "renewed")
    fresh = renewed.sign("DNS:localhost")
    before = signed.cert.read_bytes(), signed.key.read_bytes()
    # For a while the key is another certificate's: neither is taken then.
    signed.cert.write_bytes(fresh.cert.read_bytes())
    signed.key.write_bytes(fresh.key.read_bytes())

    def is_shown(authority: Authority) -> bool:
        try:
            context = Trust(ca_file=authority.cert).context()
            return httpx.get(f"https://localhost:{served.port}/healthz", verify=context).is_success
        except httpx.ConnectError:
            return False

    deadline = clock() + 20
    while not is_shown(renewed):
        assert clock() < deadline, "the new certificate is not shown"
        time.sleep(0.1)
    signed.cert.write_bytes(before[0])
    signed.key.write_bytes(before[1])


def test_a_server_for_other_machines_without_tls_does_not_start(tmp_path: Path) -> None:
    refused = Served(tmp_path / "home")

    assert refused.status() == 2
    assert "--host 0.0.0.0: other machines would send their tokens" in refused.log.read_text()
    assert not (tmp_path / "home" / "service.json").exists()


def test_behind_a_proxy_it_serves_plain_http(tmp_path: Path) -> None:
    served = Served(tmp_path / "home", "--behind-proxy").wait()
    answer = httpx.get(f"http://127.0.0.1:{served.port}/healthz")
    served.close()

    assert answer.is_success
