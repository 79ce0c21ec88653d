"""The JSON documents of the API, as schemas."""
