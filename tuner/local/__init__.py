"""The embedded service on this machine: its home, its processes, and how a command reaches it."""

from tuner.local.access import find_api as find_api
from tuner.local.access import open_changer as open_changer
from tuner.local.access import open_reader as open_reader
from tuner.local.access import start_api as start_api
from tuner.local.desks import open_history as open_history
from tuner.local.desks import open_tokens as open_tokens
