"""Large fleets: beats that are taken together, wake-ups, and what runs beside the trials."""

from tests.mutants.mutant import Mutant

_BEATS = "tests/integration/test_beats_together.py::"
_LOOKS = "tests/integration/test_claim_looks.py"
_FILES = "tests/integration/test_study_files.py::"

MUTANTS = (
    Mutant(
        name="beat-with-any-token",
        promise="A beat taken with others extends no lease whose token it does not have.",
        file="tuner/service/workers/beats.py",
        old="attempt.token != beat.token",
        new="not beat.token",
        tests=(f"{_BEATS}test_one_with_a_wrong_token_and_one_that_has_ended_are_left_out",),
    ),
    Mutant(
        name="beats-extend-nothing",
        promise="Beats that come together extend each its own lease.",
        file="tuner/trials/store/claims/beats.py",
        old='"until": now + LEASE_S',
        new='"until": now',
        tests=(f"{_BEATS}test_each_extends_its_lease_whoever_beats_beside_it",),
    ),
    Mutant(
        name="idle-beat-of-a-holder",
        promise="A worker that holds an attempt and says that it is idle is looked at by itself.",
        file="tuner/service/workers/beats.py",
        old="worker is not None and worker.name not in holding:",
        new="worker is not None:",
        tests=(
            f"{_BEATS}test_an_idle_worker_is_heard_of_and_one_that_holds_an_attempt_is_left_out",
        ),
    ),
    Mutant(
        name="woken-in-every-round",
        promise="For an attempt that nobody claims a worker is woken once a second.",
        file="tuner/coordinator/loop.py",
        old="if row not in called",
        new="if row.no",
        tests=(
            "tests/integration/test_coordinator_wakeups.py::"
            "test_for_an_attempt_that_nobody_claims_a_worker_is_woken_once_a_second",
        ),
    ),
    Mutant(
        name="every-claim-looks",
        promise="Only a few claims look at the database at a time.",
        file="tuner/server/routes/workers.py",
        old="asyncio.Semaphore(MAX_LOOKS)",
        new="asyncio.Semaphore(100 * MAX_LOOKS)",
        tests=(_LOOKS,),
    ),
    Mutant(
        name="looks-however-late",
        promise="A claim that has waited long for its turn is answered without a look.",
        file="tuner/server/routes/workers.py",
        old="start + max(message.wait_s, LOOK_WITHIN_S)",
        new="start + max(message.wait_s, 100 * LOOK_WITHIN_S)",
        tests=(_LOOKS,),
    ),
    Mutant(
        name="patience-for-nothing",
        promise="A claim that would wait for work waits as long for its turn to look.",
        file="tuner/server/routes/workers.py",
        old="start + max(message.wait_s, LOOK_WITHIN_S)",
        new="start + LOOK_WITHIN_S",
        tests=(_LOOKS,),
    ),
    Mutant(
        name="server-takes-long-turns",
        promise="The server's threads take turns more often than Python's default.",
        file="tuner/server/serve.py",
        old="sys.setswitchinterval(SWITCH_S)",
        new="sys.getswitchinterval()",
        tests=("tests/integration/test_switch_interval.py",),
    ),
    Mutant(
        name="insights-never-rest",
        promise="A running study rests between two analyses.",
        file="tuner/service/insights/computing.py",
        old="rests_until = ended + _RESTS * (ended - started)",
        new="rests_until = 0.0 * (ended - started)",
        tests=(
            f"{_FILES}test_a_running_study_rests_between_two_analyses_and_an_ended_one_does_not",
        ),
    ),
    Mutant(
        name="insights-at-once",
        promise="A study that ends soon is analysed once.",
        file="tuner/service/insights/computing.py",
        old="return max(wish.since + self._wait_s, rests_until)",
        new="return max(wish.since, rests_until)",
        tests=(f"{_FILES}test_a_study_that_ends_soon_is_analysed_once",),
    ),
    Mutant(
        name="insights-start-anew",
        promise="The process that computes insights is kept for the next study.",
        file="tuner/service/insights/computing.py",
        old="if process is not None and process.is_running:",
        new="if False:",
        tests=(
            f"{_FILES}test_a_process_is_kept_for_the_next_study_replaced_if_it_died_and_ended_"
            "after_a_while",
        ),
    ),
    Mutant(
        name="memory-outlives-an-outage",
        promise="What was committed without an answer is not missed.",
        file="tuner/coordinator/loop.py",
        old="is lost: the memory is rebuilt.\n                self._memory.clear()",
        new="is lost: the memory is rebuilt.",
        tests=(
            "tests/integration/test_commit_answers.py::"
            "test_a_commit_without_an_answer_is_neither_missed_nor_made_twice",
        ),
    ),
    Mutant(
        name="fork-server-open-to-trials",
        promise="No trial changes what the next one is forked from.",
        file="workers/trial/fork_server.py",
        old="set_readable(readable=False)",
        new="set_readable(readable=True)",
        tests=(
            "tests/integration/test_workers_secrets.py::"
            "test_a_trial_cannot_touch_what_the_next_one_is_forked_from",
        ),
    ),
    Mutant(
        name="fork-server-taken-for-left-behind",
        promise="The fork server outlives a trial that leaves processes behind.",
        file="workers/agent/attempt.py",
        old="own = () if forks is None else (forks,)",
        new="own = ()",
        tests=(
            "tests/integration/test_workers_forks.py::"
            "test_every_trial_is_a_fork_of_one_process_and_a_child_of_the_worker",
        ),
    ),
    Mutant(
        name="dead-fork-server-is-asked-for-ever",
        promise="A fork server that has died is replaced.",
        file="workers/trial/fork_client.py",
        old="if time.monotonic() < self._start_at:",
        new="if time.monotonic() > 0:",
        tests=(
            "tests/integration/test_workers_forks.py::"
            "test_a_fork_server_that_dies_costs_no_trial_and_is_replaced",
        ),
    ),
    Mutant(
        name="fork-outlives-worker",
        promise="A trial dies with its worker.",
        file="workers/trial/child.py",
        old="die_with_parent(worker)",
        new="_ = worker",
        tests=(
            "tests/integration/test_workers_forks.py::"
            "test_the_fork_server_and_the_trial_die_with_their_worker",
        ),
    ),
)
