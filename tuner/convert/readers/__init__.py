"""One module for each tool whose searches can be read, and modules shared by several of them."""
