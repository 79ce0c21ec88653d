"""A package that an objective imports and its worker does not have: where to install what."""

from __future__ import annotations

import importlib.util
import os

from tuner.system import pip_install

#: Packages that are installed under another name than they are imported by.
PACKAGES = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def how_to_install(error: BaseException) -> str:
    """Return what to type for a module that was not found, "" for any other error.

    A module is missing from the environment that the worker runs in, which need not be the one in
    which the study was submitted; or it is the user's own and lies outside the spec's folder.
    """
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    if not name:
        return ""
    top = name.partition(".")[0]
    if _is_there(top):
        # The package is there, the part of it is not: another release, or a slip.
        return ""
    if image := os.environ.get("TUNER_IMAGE"):
        return f"it is not in the image {image}: add {PACKAGES.get(top, top)} to it"
    return (
        f"it is neither in the spec's folder nor installed where the worker runs; "
        f"to install it there: {pip_install(PACKAGES.get(top, top))}"
    )


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
