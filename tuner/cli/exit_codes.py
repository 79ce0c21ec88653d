"""What the exit code of a command says."""

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
#: Of `submit --watch` alone. With a value to be reached FAILED says that it was not, and nothing
#: else: the study failed, so nothing can be judged; the time was up before the study was over; the
#: service did not answer.
NO_RESULT, TIME_UP, NO_ANSWER = 3, 4, 5
