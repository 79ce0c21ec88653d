"""The meaning of exit codes."""

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
#: Only for `submit --watch`. With a value to be reached, FAILED says that it was not reached, and
#: nothing else. These say: the study failed, so nothing can be judged; the time ran out before the
#: study ended; the service did not answer.
NO_RESULT, TIME_UP, NO_ANSWER = 3, 4, 5
