"""The queue: wake-ups over Redis, which may be wiped at any time without any loss."""
