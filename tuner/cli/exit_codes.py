"""What the exit code of a command says."""

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
