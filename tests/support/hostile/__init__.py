"""What goes wrong on purpose: files, rows, strangers."""
