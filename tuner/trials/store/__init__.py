"""The rows of studies, trials, attempts, workers, reports and events: one module a table.

Rows come in here and leave as `Study`, `Trial`, `Attempt`, `Worker` or what is named for the part
of a row that it is. Every function runs inside the caller's transaction. Statements are built once
where a call of a worker or a round of the coordinator executes them: to build one costs more than
to execute it.
"""
