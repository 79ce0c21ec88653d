"""Screenshots by a headless Chromium, made small."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
#: A picture of a page that every clone carries.
MAX_BYTES = 150_000


def take(url: str, target: Path, *, width: int, height: int, wait_s: float = 0.0) -> None:
    """Write what a page shows as a PNG of at most `MAX_BYTES`.

    Args:
        url: of the page.
        target: the file.
        width: of the window, pixels.
        height: of the window, pixels.
        wait_s: the page's own time before the picture is taken.

    Raises:
        RuntimeError: there is no Chromium, or the picture is too large in 32 colours too.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise RuntimeError("needs Chromium: sudo apt-get install -y chromium")
    with tempfile.TemporaryDirectory(prefix="tuner-pictures-") as scratch:
        raw = Path(scratch, "raw.png")
        subprocess.run(
            [
                program,
                *("--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu"),
                f"--user-data-dir={scratch}/profile",
                f"--window-size={width},{height}",
                # Without a wait none at all: a budget of 0 is never used up.
                *([f"--virtual-time-budget={int(wait_s * 1000)}"] if wait_s else []),
                f"--screenshot={raw}",
                url,
            ],
            check=True,
            capture_output=True,
            timeout=300,
        )
        image = Image.open(raw).convert("RGB")
        for colours in (256, 128, 64, 32):
            image.quantize(colours, dither=Image.Dither.NONE).save(target, optimize=True)
            if target.stat().st_size <= MAX_BYTES:
                return
    raise RuntimeError(f"{target}: {target.stat().st_size} bytes, more than {MAX_BYTES}")
