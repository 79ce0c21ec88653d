"""A package that a trial lacks is named with the way to get it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from workers.failures.causes import describe_error
from workers.objective.finding import load_objective


def message_of(code: str, folder: Path) -> str:
    """Return the last line of what a trial says whose objective's module holds `code`."""
    (folder / "needy.py").write_text(code)
    before = list(sys.path)
    try:
        load_objective("needy:train", str(folder))
    except ModuleNotFoundError as exc:
        return describe_error(exc).splitlines()[-1]
    finally:
        sys.path[:] = before
        sys.modules.pop("needy", None)
        importlib.invalidate_caches()
    raise AssertionError("nothing was missing")


def test_a_missing_package_says_which_environment_lacks_it_and_what_to_type(tmp_path: Path) -> None:
    said = message_of("import nobody_has_this.part\n", tmp_path)

    assert said.startswith("ModuleNotFoundError: No module named 'nobody_has_this': neither in ")
    assert said.endswith(f"{sys.executable} -m pip install nobody_has_this")


@pytest.mark.parametrize(
    ("module", "package"), [("cv2", "opencv-python-headless"), ("PIL", "pillow")]
)
def test_a_package_is_named_as_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    # Also where it is installed: the import is refused, and the finder knows of none.
    monkeypatch.setattr("workers.failures.missing.is_installed", lambda name: False)

    said = message_of(f"raise ModuleNotFoundError('gone', name={module!r})\n", tmp_path)

    assert said.endswith(f" install {package}")


def test_a_part_that_an_installed_package_lacks_is_no_matter_of_installing(tmp_path: Path) -> None:
    said = message_of("import json.nothing_like_this\n", tmp_path)

    assert said == "ModuleNotFoundError: No module named 'json.nothing_like_this'"


def test_in_an_image_the_package_belongs_into_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNER_IMAGE", "team/train@sha256:12")

    said = message_of("import nobody_has_this\n", tmp_path)

    assert said.endswith("not in the image team/train@sha256:12: add nobody_has_this to it")
