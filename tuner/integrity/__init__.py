"""Whether the rows of the database are whole and agree, in words, and how they are mended."""
