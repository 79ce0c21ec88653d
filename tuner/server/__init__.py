"""The HTTP API and the process that serves it."""

from tuner.server.serve import serve as serve
