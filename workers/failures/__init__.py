"""Why attempts fail, and what to do about it, in words."""
