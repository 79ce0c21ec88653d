"""What an attempt leaves in its folder."""
