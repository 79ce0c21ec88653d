"""Images and what runs from them, on a real engine: `make test-docker`."""
