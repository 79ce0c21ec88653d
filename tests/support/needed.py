"""Marks for tests that need a package which a machine may lack.

Nothing is imported for it: each process of a test run collects all files, and TensorFlow takes four
seconds of a processor.
"""

from __future__ import annotations

import importlib.util

import pytest


def needs(*modules: str) -> pytest.MarkDecorator:
    """Return a mark that skips where one of the modules is missing."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {' and '.join(missing)}")
