"""Releases of Redis and Valkey with known vulnerabilities.

From the vendors' security releases: Redis of 18 August 2026 (6.2.24, 7.2.16, 7.4.11, 8.2.9, 8.4.6,
8.6.6, 8.8.2), Valkey of 21 July 2026 (7.2.14, 8.0.10, 8.1.9, 9.0.5, 9.1.1). They fix remote code
execution in scripting, RESTORE, streams and connection handling (CVE-2025-49844, CVE-2026-23479,
CVE-2026-25243, CVE-2026-23631, CVE-2026-56684, CVE-2026-63639 and others).
"""

from __future__ import annotations

#: First patch release of each series that fixes everything known; series not listed have no such
#: release.
_MENDED: dict[str, dict[tuple[int, int], int]] = {
    "Redis": {(6, 2): 24, (7, 2): 16, (7, 4): 11, (8, 2): 9, (8, 4): 6, (8, 6): 6, (8, 8): 2},
    "Valkey": {(7, 2): 14, (8, 0): 10, (8, 1): 9, (9, 0): 5, (9, 1): 1},
}


def known_faults(product: str, version: tuple[int, ...]) -> str | None:
    """Return a release's known vulnerabilities and which one to use instead; None: none known.

    A distribution may have patched a release without changing its number; that is not visible here.

    Args:
        product: Redis or Valkey.
        version: major, minor and patch.
    """
    mended = _MENDED.get(product)
    if mended is None or len(version) < 2:
        return None
    series = (version[0], version[1])
    if series > max(mended):
        return None
    if series in mended:
        patch = version[2] if len(version) > 2 else 0
        first = f"{series[0]}.{series[1]}.{mended[series]}"
        return None if patch >= mended[series] else f"fixed in {first}"
    newer = min(one for one in mended if one > series)
    return f"its series is not maintained any more; fixed in {newer[0]}.{newer[1]}.{mended[newer]}"
