"""Submits a batch script to Slurm."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from tuner.errors import SetupError, SpecError, UnavailableError
from tuner.launch.surroundings import run_program

#: Maximum seconds for sbatch: a busy controller answers late.
_TIMEOUT_S = 120.0
_MOST_WORDS = 1000
#: sbatch's messages if no controller answers; any other message concerns the job.
_AWAY = re.compile(
    r"[Uu]nable to contact|[Cc]onnection (refused|timed out)|[Tt]imed out|[Zz]ero Bytes"
)
_ADVICE = {
    r"partition": "sinfo lists the partitions",
    r"account|qos|QOS": "sacctmgr show associations user=$USER lists yours",
    r"array": "the cluster's MaxArraySize is the limit: scontrol show config",
    r"time limit|TimeLimit": "sinfo shows each partition's limit",
    r"node configuration|gres|Gres|GRES|memory|CPU": "see the nodes: sinfo --Node --long",
}


def find_sbatch(environ: Mapping[str, str]) -> str:
    """Return the path of sbatch.

    Raises:
        SetupError: it is not installed.
    """
    found = shutil.which("sbatch", path=environ.get("PATH"))
    if found is None:
        raise SetupError(
            "there is no sbatch on the PATH: type this on a machine that submits jobs to the "
            "cluster, or write the script with -o FILE and submit it there: sbatch FILE"
        )
    return found


def submit(script: Path, environ: Mapping[str, str]) -> str:
    """Submit a script; return the job id.

    Args:
        environ: of this command; the script says which variables are passed on.

    Raises:
        SetupError: there is no sbatch.
        SpecError: Slurm rejects the job; the text is Slurm's.
        UnavailableError: its controller does not answer.
    """
    words = [find_sbatch(environ), "--parsable", str(script)]
    done = run_program(words, environ, "sbatch", _TIMEOUT_S)
    if done.returncode != 0:
        raise _refusal(_words(done.stderr or done.stdout))
    # `4211`, or `4211;cluster`.
    job = done.stdout.strip().partition(";")[0]
    if not re.fullmatch(r"\d{1,20}", job):
        raise UnavailableError(
            f"sbatch answered {_words(done.stdout)!r}, which is not a job number"
        )
    return job


def _words(text: str) -> str:
    """Return sbatch's message as one line, without its name before each part."""
    lines = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in text.splitlines()]
    said = dict.fromkeys(line.strip().rstrip(".") for line in lines if line.strip())
    return "; ".join(said)[:_MOST_WORDS]


def _refusal(said: str) -> SpecError | UnavailableError:
    if _AWAY.search(said):
        return UnavailableError(f"Slurm's controller does not answer: {said}")
    advice = next((text for words, text in _ADVICE.items() if re.search(words, said)), "")
    return SpecError(f"Slurm does not take the job: {said}" + (f" ({advice})" if advice else ""))
