"""Where a token may be sent, and which certificates are trusted."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from tuner.errors import SetupError

#: What Python's ssl and libpq say of a certificate that they reject.
_REFUSED = ("certificate_verify_failed", "certificate verify failed")
_OTHER_NAME = ("hostname mismatch", "ip address mismatch", "does not match host name")


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What a client trusts.

    Attributes:
        ca_file: PEM file of the only trusted authorities; None: those of the system.
        plain_http: a token may be sent to another machine unencrypted, because the network is
            private.
    """

    ca_file: Path | None = None
    plain_http: bool = False

    def context(self) -> ssl.SSLContext:
        """Return a context that verifies a server's certificate and name.

        Raises:
            SetupError: the file cannot be read, or holds no certificate.
        """
        if self.ca_file is None:
            return ssl.create_default_context()
        try:
            return ssl.create_default_context(cafile=str(self.ca_file))
        except ssl.SSLError as exc:
            raise SetupError(
                f"TUNER_CA_FILE={self.ca_file}: holds no certificate in PEM form "
                f"({exc.reason or 'unreadable'}); give that of your certificate authority"
            ) from exc
        except OSError as exc:
            raise SetupError(
                f"TUNER_CA_FILE={self.ca_file}: cannot be read: {exc.strerror}"
            ) from exc

    def complete(self, url: str) -> str:
        """Return the URL of a Redis or a database with the trusted authorities added.

        A URL that names its own, or that verifies no certificate, is unchanged.
        """
        if self.ca_file is None:
            return url
        if url.startswith("rediss://"):
            name = "ssl_ca_certs"
        elif url.startswith("postgres") and "sslmode=verify-" in url:
            name = "sslrootcert"
        else:
            return url
        if f"{name}=" in url:
            return url
        return f"{url}{'&' if '?' in url else '?'}{name}={quote(str(self.ca_file))}"

    def require_private(self, url: str) -> None:
        """Refuse to send a token in plain text over a network.

        Raises:
            SetupError: `url` is plain http to another machine, and that was not allowed explicitly.
        """
        parts = urlsplit(url)
        if parts.scheme == "http" and not self.plain_http and not is_loopback(parts.hostname or ""):
            raise SetupError(
                f"TUNER_API_URL={url}: over plain http everybody on the way could read the token; "
                "use https://, or, where nobody else is on that network, set TUNER_PLAIN_HTTP=yes"
            )


def is_loopback(host: str) -> bool:
    """Whether an address or name refers to this machine without a network."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # Connecting to the unspecified address connects to this machine.
    return address.is_loopback or address.is_unspecified


def _clock() -> str:
    """Return the time that certificates are compared with, since it may be wrong."""
    now = datetime.datetime.now(datetime.UTC)
    return f"if it is not {now:%Y-%m-%d %H:%M} UTC now, this machine's clock is what is wrong"


def explain_tls(text: str) -> str:
    """Return what to do about a TLS error, to append to its text; empty for other errors."""
    lower = text.lower()
    if not any(words in lower for words in (*_REFUSED, *_OTHER_NAME)):
        return ""
    if any(words in lower for words in _OTHER_NAME):
        return " (the certificate is for another name: use the name that stands in it)"
    if "has expired" in lower:
        return f" (the certificate has expired: its server needs a new one; {_clock()})"
    if "not yet valid" in lower:
        return f" (the certificate is not valid yet: it was made for later; {_clock()})"
    return (
        " (the certificate is of an authority that this machine does not know: name the file with "
        "that authority's certificate in TUNER_CA_FILE)"
    )
