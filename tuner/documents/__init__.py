"""What the service answers: the JSON documents of the API, as types.

Field names are a contract: scripts read them. A document is a plain dict from the service through
the API and the client to the command line and `tuner.status()`; only its type is here.
"""
