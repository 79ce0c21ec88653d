"""Work below the roots, isolated from file system errors and hanging calls."""
