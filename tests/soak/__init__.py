"""The soak: a whole Tuner works for hours, and what it takes is measured every minute.

`python -m tests.soak run` starts server, Redis and workers as a user does, keeps four studies of
different kinds going, and samples memory, descriptors, threads, rows, files and times into a file;
`python -m tests.soak report FOLDER` reads the file at any time and says what grows.
"""
