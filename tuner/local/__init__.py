"""The embedded service on this machine: its home, its processes, and how a command reaches it."""

from tuner.local.access import find_api, open_changer, open_reader, start_api
from tuner.local.desks import open_history, open_tokens

__all__ = ["find_api", "open_changer", "open_history", "open_reader", "open_tokens", "start_api"]
