"""Workers: what a trial may see and do, its result on the way, its checkpoints and its cause."""

from tests.mutants.mutant import Mutant

_CHECKPOINTS = ("tests/unit/test_workers_checkpoints.py",)
_SNAPSHOTS = ("tests/unit/test_workers_snapshots.py",)
_CAUSES = ("tests/unit/test_failure_causes.py", "tests/unit/test_workers_parts.py")

MUTANTS = (
    Mutant(
        name="secret-in-a-trial",
        promise="A trial's process holds no token of the service.",
        file="workers/host/interpreter.py",
        old='("TOKEN", "WORKER_TOKEN", "API_URL", "HOME")',
        new='("API_URL", "HOME")',
        tests=(
            "tests/integration/test_workers_processes.py::test_no_token_reaches_a_trial_or_a_file",
        ),
    ),
    Mutant(
        name="result-offered-once",
        promise="A result is offered until the server takes it.",
        file="workers/agent/finish_sender.py",
        old="if not self.retry():\n                return None",
        new="return None",
        tests=(
            "tests/integration/test_workers_messages.py::test_a_finish_is_repeated_with_the_same_body_until_it_is_answered",
        ),
    ),
    Mutant(
        name="points-behind-a-full-message",
        promise="What does not fit a message is sent with the next one.",
        file="workers/agent/outbox.py",
        old="del self.points[: len(batch)]",
        new="self.points.clear()",
        tests=(
            "tests/unit/test_outbox.py::test_points_that_one_message_does_not_hold_go_with_the_next",
        ),
    ),
    Mutant(
        name="own-checkpoint-is-an-earlier-one",
        promise="A trial goes on from a checkpoint of an earlier attempt only.",
        file="workers/objective/checkpoints.py",
        old="if checkpoint.attempt_no >= self.attempt_no:",
        new="if checkpoint.attempt_no > self.attempt_no:",
        tests=_CHECKPOINTS,
    ),
    Mutant(
        name="hole-before-a-checkpoint",
        promise="A checkpoint that would leave a hole in the curve is not continued.",
        file="workers/objective/checkpoints.py",
        old="if [point.step for point in points] != list(range(step + 1, self.step + 1)):",
        new="if not points:",
        tests=_CHECKPOINTS,
    ),
    Mutant(
        name="checkpoints-of-a-successor",
        promise="An attempt deletes no checkpoint of its successor.",
        file="workers/objective/checkpoints.py",
        old="checkpoint.attempt_no < self.attempt_no]",
        new="checkpoint.attempt_no != self.attempt_no]",
        tests=_CHECKPOINTS,
    ),
    Mutant(
        name="other-bytes-run",
        promise="A worker runs the code that was submitted, by its hash, and no other.",
        file="workers/agent/code_cache.py",
        old="if found != sha256:",
        new="if len(found) != len(sha256):",
        tests=(f"{_SNAPSHOTS[0]}::test_other_bytes_than_those_of_the_hash_are_not_run",),
    ),
    Mutant(
        name="snapshot-hides-the-service",
        promise="Code that would stand in for modules of the service is not run.",
        file="workers/agent/code_cache.py",
        old="if top in RESERVED or",
        new="if",
        tests=_SNAPSHOTS,
    ),
    Mutant(
        name="full-disk-elsewhere",
        promise="A full disk of the user's own is no storage failure of the service.",
        file="workers/failures/causes.py",
        old="any(_concerns(link, root) for root in roots)",
        new="roots",
        tests=_CAUSES,
    ),
    Mutant(
        name="killed-is-the-users-error",
        promise="A trial whose process was killed is lost, and runs again.",
        file="workers/failures/causes.py",
        old='return "lost", died',
        new='return "error", died',
        tests=_CAUSES,
    ),
    Mutant(
        name="memory-is-the-users-error",
        promise="A trial that ran out of a device's memory has the cause oom.",
        file="workers/failures/causes.py",
        old='or _is_named(error, "OutOfMemoryError")',
        new="",
        tests=_CAUSES,
    ),
    Mutant(
        name="truth-is-a-number",
        promise="True is no objective value.",
        file="workers/objective/numbers.py",
        old="numbers.Real | Decimal) and not isinstance(value, bool)",
        new="numbers.Real | Decimal)",
        tests=(
            "tests/unit/test_numbers.py::test_truth_text_and_what_no_float_holds_are_no_numbers",
        ),
    ),
    Mutant(
        name="not-a-number-is-a-result",
        promise="A trial whose objective is NaN has diverged.",
        file="workers/objective/result.py",
        old="if not math.isfinite(value):\n                return f",
        new="if value == math.inf:\n                return f",
        tests=(
            "tests/integration/test_workers_ends.py::test_every_bad_end_has_its_cause_and_says_what_happened",
        ),
    ),
    Mutant(
        name="preempted-is-the-users-error",
        promise="A rank or a command that a leaving host ends says nothing of its configuration.",
        file="workers/trial/heard.py",
        old='return dataclasses.replace(self, cause="preempted")',
        new="return self",
        tests=(
            "tests/integration/test_workers_leaving.py::test_a_command_that_dies_with_the_signal_to_its_worker_is_preempted",
        ),
    ),
    Mutant(
        name="orphans-stay",
        promise="What a trial has started ends with it.",
        file="workers/host/orphans.py",
        old="os.kill(orphan.pid, signal.SIGKILL)",
        new="os.kill(orphan.pid, 0)",
        tests=(
            "tests/integration/test_workers_processes.py::test_a_daemon_ends_with_its_trial_and_is_named",
        ),
    ),
    Mutant(
        name="hopeless-again-and-again",
        promise="A worker that cannot work here is not started again and again.",
        file="workers/fleet/slots.py",
        old="HOPELESS = (2, 4)",
        new="HOPELESS = (2,)",
        tests=(
            "tests/integration/test_workers_fleet.py::test_a_fleet_that_no_worker_can_serve_ends_with_the_reason",
        ),
    ),
)
