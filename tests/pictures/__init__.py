"""The pictures of README.md: `python -m tests.pictures` makes them again (needs Chromium)."""
