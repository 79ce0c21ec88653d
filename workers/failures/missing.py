"""What an objective needs and does not find, a package or a file: what to do about it."""

from __future__ import annotations

import os
import re

from tuner.runtime.system import is_installed, pip_install

#: Packages whose distribution has another name than their module.
PACKAGES = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "keras_tuner": "keras-tuner",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def how_to_install(error: BaseException) -> str:
    """Return the command to type for a module that was not found, "" for any other error.

    A module is missing in the environment of the worker, which need not be the one in which the
    study was submitted; or it is the user's own and is outside of the spec's folder.
    """
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    if not name:
        return ""
    top = name.partition(".")[0]
    if is_installed(top):
        # The package exists, but not this part of it: another release, or a typing error.
        return ""
    if image := os.environ.get("TUNER_IMAGE"):
        return f"not in the image {image}: add {PACKAGES.get(top, top)} to it"
    return (
        f"neither in the spec's folder nor installed for the worker; install it there with: "
        f"{pip_install(PACKAGES.get(top, top))}"
    )


def how_to_take_along(error: BaseException, code_root: str | None) -> str:
    """Return what to do about a file that is missing next to the code, "" for any other error.

    The code that runs is a snapshot of the spec's folder, which excludes large files and outputs.
    """
    if code_root is None:
        return ""
    start = os.path.join(code_root, "")  # noqa: PTH118 - found as text
    # Not every library that opens a file raises `FileNotFoundError`.
    found = re.search(re.escape(start) + r"([^'\"\s,;:)]+)", str(error))
    if found is None or os.path.lexists(found[0]):
        return ""
    return (
        f"{found[1]} is not in the snapshot of the code: tuner check says what was left out, and a "
        f"line !{found[1]} in .tunerignore takes it along"
    )


def how_to_do_without(error: BaseException) -> str:
    """Return what to do if weights or data cannot be downloaded, "" for any other error."""
    if "URL fetch failure on" not in str(error):
        return ""
    return (
        "the worker cannot reach the network: put the file into Keras' cache (~/.keras) of the "
        "worker's host or image beforehand, or build without downloaded weights (weights=None)"
    )
