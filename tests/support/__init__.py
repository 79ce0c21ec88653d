"""What tests of every kind use: servers, workers, waiting, packages."""
