"""One module for each tool whose searches are read, and what several of them use."""
