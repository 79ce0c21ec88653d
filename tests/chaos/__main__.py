"""`python -m tests.chaos`: thousands of trials under faults, a summary, status 1 on a violation."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.audit import audited, check_audit, has_strace
from tests.chaos.fleet import has_faketime
from tests.chaos.plan import CLOCK, ChaosPlan, summary
from tests.chaos.run import run
from tests.support.service_process import Nursery
from tuner.coordinator.leadership import LEAD_S

#: From here on the lead lasts as long as in production.
MANY = 1000


def main(argv: list[str]) -> int:
    """Run what the arguments say; return 1 when an invariant was violated."""
    arguments = _parser().parse_args(argv)
    # Ended by a signal, it still takes down what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    seed = arguments.seed if arguments.seed is not None else int(time.time())
    folder = Path(tempfile.mkdtemp(prefix="tuner-chaos-"))
    print(f"chaos: {arguments.database}, {arguments.trials} trials, seed {seed}, {folder}")
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:8.1f} s  {text}", flush=True)

    order = ChaosPlan(
        kind=arguments.database,
        seed=seed,
        trials=arguments.trials,
        every_s=arguments.faults_every,
        each_once=arguments.each_once,
        without=() if has_faketime() else (CLOCK,),
        only=tuple(arguments.only),
        log_mb=256 + arguments.trials // 10,
        # A new leader reads all trials before it can renew its lease.
        leader_lease_s=LEAD_S if arguments.trials > MANY else ChaosPlan.leader_lease_s,
    )
    calls = folder / "calls.log"
    under = audited(calls) if arguments.audit else ()
    with contextlib.closing(Nursery(folder / "nursery.log", under)) as nursery:
        outcome = run(folder, nursery, order, say)
    if arguments.audit:
        roots = [*folder.glob("server-*"), folder / "logs", folder / "checkpoints"]
        roots += [folder / f"tuner.db{part}" for part in ("", "-wal", "-shm", "-journal")]
        outcome.violations += check_audit(calls, roots=roots, guard=folder / "guard")
    print(summary(order, outcome))
    if outcome.violations or arguments.keep:
        print(f"everything is kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if outcome.violations else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--seed", type=int, help="replays a schedule; drawn by default")
    parser.add_argument("--faults-every", type=float, default=5.0, help="mean seconds")
    parser.add_argument(
        "--each-once", action="store_true", help="every fault once, as in the tests"
    )
    parser.add_argument("--only", action="append", default=[], metavar="FAULT", help="repeatable")
    parser.add_argument(
        "--audit",
        action=argparse.BooleanOptionalAction,
        default=has_strace(),
        help="log all that the servers open and change (strace); by default where it is there",
    )
    parser.add_argument("--keep", action="store_true", help="keep all files")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
