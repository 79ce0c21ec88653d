"""The service's answers: the JSON documents of the API, as types.

Field names are a contract: scripts depend on them. A document is a plain dict from the service
through the API and the client to the command line and `tuner.status()`; this package only has the
types.
"""
