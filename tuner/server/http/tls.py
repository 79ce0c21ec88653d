"""The server's certificate, taken anew when it was renewed."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import SetupError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Files in PEM form: a certificate with those between it and its authority, and its key."""

    cert: Path
    key: Path

    def load(self, context: ssl.SSLContext) -> None:
        """Have a context show this certificate.

        Raises:
            SetupError: a file cannot be read, or the two do not belong together.
        """
        for name, path in (("--tls-cert", self.cert), ("--tls-key", self.key)):
            try:
                path.read_bytes()
            except OSError as exc:
                raise SetupError(f"{name} {path}: cannot be read: {exc.strerror}") from exc
        try:
            # A password would have to be typed: an encrypted key is refused instead.
            context.load_cert_chain(self.cert, self.key, password=_no_password)
        except (ssl.SSLError, ValueError) as exc:
            raise SetupError(
                f"--tls-cert {self.cert} and --tls-key {self.key}: are no certificate and its key "
                f"in PEM form without a password: {exc}"
            ) from exc

    def stamp(self) -> tuple[tuple[int, int, int], ...]:
        """Return what changes when a file is written, or another is put in its place."""
        stats = [path.stat() for path in (self.cert, self.key)]
        return tuple((stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats)


class Tls:
    """The context of a server's connections. Mutable: it shows what the files hold by now.

    Args:
        certificate: what it shows.

    Raises:
        SetupError: it cannot be used.
    """

    def __init__(self, certificate: Certificate) -> None:
        self.context = _make_context()
        certificate.load(self.context)
        self._certificate = certificate
        self._stamp = certificate.stamp()

    def look(self) -> None:
        """Take the certificate anew if its files have changed; one that is no good is not taken.

        To be called on the event loop, which makes the connections.
        """
        try:
            stamp = self._certificate.stamp()
        except OSError:
            return  # it is being replaced
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            # Both files, before either is used.
            self._certificate.load(_make_context())
            self._certificate.load(self.context)
        except SetupError as exc:
            logger.error("renewed certificate not taken", extra={"reason": str(exc)})
        else:
            logger.info("certificate renewed", extra={"cert": str(self._certificate.cert)})


def _make_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _no_password() -> str:
    raise ValueError("the key has a password")
