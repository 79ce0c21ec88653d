"""The server's certificate, reloaded when it was renewed."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import SetupError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """PEM files: a certificate with its intermediates, and its key."""

    cert: Path
    key: Path

    def load(self, context: ssl.SSLContext) -> None:
        """Load this certificate into a context.

        Raises:
            SetupError: a file cannot be read, or the two do not belong together.
        """
        for name, path in (("--tls-cert", self.cert), ("--tls-key", self.key)):
            try:
                path.read_bytes()
            except OSError as exc:
                raise SetupError(f"{name} {path}: cannot be read: {exc.strerror}") from exc
        try:
            # A password would have to be typed, so an encrypted key is refused.
            context.load_cert_chain(self.cert, self.key, password=_no_password)
        except (ssl.SSLError, ValueError) as exc:
            raise SetupError(
                f"--tls-cert {self.cert} and --tls-key {self.key}: are no certificate and its key "
                f"in PEM form without a password: {exc}"
            ) from exc

    def stamp(self) -> tuple[tuple[int, int, int], ...]:
        """Return a value that changes when a file is written or replaced."""
        stats = [path.stat() for path in (self.cert, self.key)]
        return tuple((stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats)


class Tls:
    """The TLS context of a server's connections. Mutable: it is updated when the files change.

    Args:
        certificate: the files to load.

    Raises:
        SetupError: it cannot be used.
    """

    def __init__(self, certificate: Certificate) -> None:
        self.context = _make_context()
        certificate.load(self.context)
        self._certificate = certificate
        self._stamp = certificate.stamp()

    def look(self) -> None:
        """Reload the certificate if its files have changed; an invalid one is ignored.

        Must be called on the event loop, which makes the connections.
        """
        try:
            stamp = self._certificate.stamp()
        except OSError:
            return  # it is being replaced
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            # Check both files before using either.
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
