"""The rows of studies, trials, attempts, workers, reports and events: one module per table.

Rows are returned as `Study`, `Trial`, `Attempt`, `Worker`, or an object named for the part of a row
that it contains. Every function runs inside the caller's transaction. Statements that are executed
for every call of a worker or round of the coordinator are built once, because building one costs
more than executing it.
"""
