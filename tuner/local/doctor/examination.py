"""Runs all checks independently: one that fails or hangs is a finding, and the others continue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from tuner.errors import TunerError
from tuner.local.doctor.database import look_at_database, look_at_studies
from tuner.local.doctor.files import look_at_home, look_at_roots
from tuner.local.doctor.finding import LEVELS, DoctorFinding, failed
from tuner.local.doctor.gpus import look_at_gpus
from tuner.local.doctor.packages import look_at_packages
from tuner.local.doctor.redis import look_at_redis
from tuner.local.doctor.service import look_at_service
from tuner.settings import Settings, load_settings

#: Seconds after which a check counts as hanging, e.g. on an unavailable network file system.
PATIENCE_S = 20.0
_Check = Callable[[Settings], Iterable[DoctorFinding]]
_CHECKS: tuple[tuple[str, _Check], ...] = (
    ("service", look_at_service),
    ("home", look_at_home),
    ("database", look_at_database),
    ("studies", look_at_studies),
    ("redis", look_at_redis),
    ("roots", look_at_roots),
    ("gpus", look_at_gpus),
    ("packages", look_at_packages),
)


def examine(environ: Mapping[str, str], *, patience_s: float = PATIENCE_S) -> list[DoctorFinding]:
    """Return the findings, most important first; starts and changes nothing.

    Args:
        environ: of the process: determines home, database, Redis and server.
        patience_s: maximum seconds per check.
    """
    try:
        settings = load_settings(environ)
    except TunerError as exc:
        return [failed("settings", str(exc), "correct that variable; nothing else was checked")]
    found = [item for name, look in _CHECKS for item in _look(name, look, settings, patience_s)]
    return sorted(found, key=lambda item: LEVELS.index(item.level))


def _look(name: str, look: _Check, settings: Settings, patience_s: float) -> list[DoctorFinding]:
    """Return the findings of a check; an unexpected failure is a finding too."""
    found: list[DoctorFinding] = []

    def run() -> None:
        try:
            # Collected one by one, so that findings before a fault are kept.
            found.extend(look(settings))
        except TunerError as exc:
            found.append(failed(name, str(exc), ""))
        # Whatever a broken machine can raise: the doctor is for broken machines.
        except Exception as exc:  # noqa: BLE001
            what = f"could not be looked at: {type(exc).__name__}: {exc}".partition("\n")[0][:300]
            found.append(failed(name, what, "correct what that names, and type tuner doctor again"))

    # A hanging thread ends with the process.
    thread = threading.Thread(target=run, name=f"doctor-{name}", daemon=True)
    thread.start()
    thread.join(patience_s)
    if not thread.is_alive():
        return found
    what = f"does not answer: nothing was heard for {patience_s:.0f} s"
    return [*found, failed(name, what, "see whether its disk or host still answers")]
