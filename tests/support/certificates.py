"""A certificate authority of a test's own, by the program `openssl`."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Signed:
    """A certificate and its key, files in PEM form."""

    cert: Path
    key: Path


class Authority:
    """Signs certificates for names.

    Args:
        folder: for its files; made when missing.
        name: of the authority.
    """

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        if shutil.which("openssl") is None:
            pytest.skip("needs the program openssl: sudo apt-get install openssl")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.cert = folder / "ca.pem"
        self._key = folder / "ca.key"
        self._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", self._key, "-out", self.cert, "-days", "2", "-subj", f"/CN={name}"),
            *("-addext", "basicConstraints=critical,CA:TRUE"),
        )

    def sign(self, *names: str, file: str = "server") -> Signed:
        """Return a certificate for names as `DNS:localhost` and `IP:127.0.0.1`."""
        signed = Signed(self._folder / f"{file}.pem", self._folder / f"{file}.key")
        request = self._folder / f"{file}.csr"
        extensions = self._folder / f"{file}.ext"
        extensions.write_text(f"subjectAltName={','.join(names)}\n")
        self._openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", signed.key, "-out", request, "-subj", "/CN=server"),
        )
        self._openssl(
            *("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self._key),
            *("-CAcreateserial", "-out", signed.cert, "-days", "2", "-extfile", extensions),
        )
        return signed

    def _openssl(self, *arguments: str | Path) -> None:
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
