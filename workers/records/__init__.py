"""The files that an attempt leaves in its folder."""
