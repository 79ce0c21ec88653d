"""The reasons that the status of a running study may give for starting no trial.

Those that name workers are built in `coordinator/lifecycle/waits.py`. This module imports nothing,
so that the command line can recognize a reason without loading the coordinator.
"""

#: For a study whose trials own several GPUs each: followed by the number that a worker needs.
NO_WORKER = "no worker is there; start some with: tuner workers up"
NO_PROCESS = "no process executes its trials; start the script that does (objective: external)"
BUSY = "every worker that could run it is busy with other studies, which share the workers fairly"
ELSEWHERE = "its trial failed on the idle workers and waits for another one, which is busy"
NOT_CLAIMING = "its trial is ready and the idle workers do not claim it; see their logs"
#: The workers may have ended without reporting it; they soon stop being counted as available.
UNHEARD = "its trial is ready, and nothing was heard since of the workers that were idle"
STARTING = "the workers that could run it are starting"
PREPARING = "the next trial is being prepared"
#: Followed by the time.
RETRY = "the next attempt waits until "
#: Followed by the number of the trial and further text; it applies while that trial runs.
SEEKING = "waits for trial "
SOUGHT = " to find the search space"
#: These come and go in normal operation, so they are not logged as events.
PASSING = (BUSY, ELSEWHERE, PREPARING, RETRY, SEEKING, STARTING, UNHEARD)
