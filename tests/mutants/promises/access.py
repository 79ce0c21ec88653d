"""Who may do what: tokens, scopes, projects, and what the server takes from anybody."""

from tests.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        name="token-outlives-its-time",
        promise="A token that has expired is refused.",
        file="tuner/storage/tokens.py",
        old="self.expires <= now",
        new="self.expires <= 0",
        tests=("tests/unit/test_token_book.py::test_a_token_ends_by_the_clock_of_the_database",),
    ),
    Mutant(
        name="token-outlives-its-revocation",
        promise="A token that was revoked is refused.",
        file="tuner/storage/tokens.py",
        old="if self.revoked is not None:",
        new="if self.revoked is not None and self.revoked < 0:",
        tests=("tests/unit/test_token_book.py::test_what_was_revoked_here_is_refused_at_once",),
    ),
    Mutant(
        name="revocation-waits",
        promise="A token that was revoked at this server is refused from the next request on.",
        file="tuner/server/token_book.py",
        old="self._since = time.monotonic()",
        new="self._since = 0.0",
        tests=("tests/unit/test_token_book.py::test_what_was_revoked_here_is_refused_at_once",),
    ),
    Mutant(
        name="token-of-old-page",
        promise="A token is no good for more than a second after another server has revoked it.",
        file="tuner/server/token_book.py",
        old="FRESH_S = 0.5",
        new="FRESH_S = 60.0",
        tests=("tests/unit/test_token_book.py::test_a_token_ends_by_the_clock_of_the_database",),
    ),
    Mutant(
        name="worker-reads",
        promise="The token of a worker opens nothing but a worker's work.",
        file="tuner/security/identity.py",
        old="Scope.WORK: frozenset({Scope.WORK})",
        new="Scope.WORK: frozenset({Scope.WORK, Scope.READ})",
        tests=(
            "tests/unit/test_token_scopes.py::test_a_route_lets_in_who_has_its_scope_and_tells_others_which_it_is",
        ),
    ),
    Mutant(
        name="reader-submits",
        promise="A token that may only read changes nothing.",
        file="tuner/security/identity.py",
        old="Scope.READ: frozenset({Scope.READ})",
        new="Scope.READ: frozenset({Scope.READ, Scope.SUBMIT})",
        tests=(
            "tests/unit/test_token_scopes.py::test_a_route_lets_in_who_has_its_scope_and_tells_others_which_it_is",
        ),
    ),
    Mutant(
        name="project-reads-all",
        promise="A token for one project reaches no other.",
        file="tuner/server/routes/auth.py",
        old="found.require_project(project)",
        new="found.sees(project)",
        tests=(
            "tests/unit/test_token_scopes.py::test_a_token_for_one_project_reaches_no_other_and_nothing_of_the_whole_service",
        ),
    ),
    Mutant(
        name="project-rules-service",
        promise="A token for one project does nothing to the whole service.",
        file="tuner/server/routes/auth.py",
        old="found.require_all_projects()",
        new="found.sees('')",
        tests=(
            "tests/unit/test_token_scopes.py::test_a_token_for_one_project_reaches_no_other_and_nothing_of_the_whole_service",
        ),
    ),
    Mutant(
        name="redis-worker-makes-wake-ups",
        promise="On Tuner's own Redis a worker can fetch wake-ups, and cannot make any.",
        file="tuner/queue/redis_access.py",
        old='"lmove blmove lrem',
        new='"lpush rpush lmove blmove lrem',
        tests=("tests/integration/test_redis_access.py::test_a_worker_puts_nothing_into_a_queue",),
    ),
    Mutant(
        name="body-without-bound",
        promise="A body that is larger than its route takes is refused.",
        file="tuner/server/bodies.py",
        old="if size > limit:",
        new="if size > 1000 * limit:",
        tests=(
            "tests/integration/test_coordinator_refusals.py::test_a_body_of_ten_megabytes_is_refused",
        ),
    ),
    Mutant(
        name="not-a-number-in-json",
        promise="A body with NaN is refused: it is not JSON.",
        file="tuner/server/bodies.py",
        old="parse_constant=_refuse",
        new="parse_constant=lambda _: 0.0",
        tests=(
            "tests/integration/test_coordinator_refusals.py::test_what_is_not_strict_json_is_refused",
        ),
    ),
)
