"""The Chromium of this machine, driven by playwright; none is ever fetched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

#: Where Debian and others put it.
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
#: Names another one.
SETTING = "TUNER_TEST_BROWSER"
_ARGUMENTS = [
    # As root, which CI is, it starts in no other way.
    "--no-sandbox",
    # Containers have 64 MB of it.
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--force-color-profile=srgb",
]


class BrowserMissingError(Exception):
    """There is no browser, or nothing that drives it; the text says how to get it."""


@contextmanager
def chromium() -> Iterator[Any]:
    """Run a browser; give playwright's object for it.

    Raises:
        BrowserMissingError: see there.
    """
    program = os.environ.get(SETTING) or next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        raise BrowserMissingError(f"install Debian's chromium, or name a browser in {SETTING}")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as exc:
        raise BrowserMissingError("`make setup` installs playwright, which drives it") from exc
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def chromium_or_skip() -> Iterator[Any]:
    """Run a browser; skip where there is none, which the summary then says loudly."""
    with ExitStack() as stack:
        try:
            browser = stack.enter_context(chromium())
        except BrowserMissingError as exc:
            pytest.skip(f"needs a browser: {exc}")
        yield browser
