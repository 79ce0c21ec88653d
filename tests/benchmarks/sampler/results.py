"""Results: a line of JSON for each run, added when it ends. Several files may be read as one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
_OURS = ("cold", "warm", "bayesian")
_PACKAGES = (
    "optuna",
    "numpy",
    "scipy",
    "torch",
    "ax-platform",
    "smac",
    "ConfigSpace",
    "hebo",
    "confopt",
    "dehb",
    "neural-pipeline-search",
    "botorch",
    "keras-tuner",
    "scikit-learn",
)
_CODE = ("tuner/surrogate", "tuner/samplers/bayesian", "tuner/space")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run as it is kept; values are not normalised."""

    task: str
    method: str
    history: str
    pending: int
    seed: int
    trials: int
    best: float
    median: float
    values: tuple[float, ...]
    ask_s: tuple[float, ...]
    trust: tuple[float | None, ...] = ()
    #: For each value the interval that was to hold nine of ten, where one was foretold.
    foretold: tuple[tuple[float, float] | None, ...] = ()
    #: Of our own methods: which code it was. Of the peers: which versions.
    code: str = ""
    healthy: bool = True

    @property
    def family(self) -> str:
        """Return the family of the task."""
        return self.task.partition("/")[0]

    @property
    def key(self) -> RunKey:
        """Return what makes the run unique."""
        return RunKey(self.task, self.method, self.history, self.pending, self.seed, self.code)


@dataclass(frozen=True)
class RunKey:
    """What two lines must share to be the same run."""

    task: str
    method: str
    history: str
    pending: int
    seed: int
    code: str


@dataclass
class ResultFile:
    """A file of runs that is added to; what stands in it is not run again."""

    path: Path
    _done: dict[RunKey, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read what was done before."""
        for run in read_runs([self.path]):
            self._done[run.key] = max(run.trials, self._done.get(run.key, 0))

    def holds(self, key: RunKey, trials: int) -> bool:
        """Whether such a run of at least `trials` trials stands in the file."""
        return self._done.get(key, 0) >= trials

    def add(self, run: Run) -> None:
        """Append one run."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(_short(asdict(run))) + "\n")
        self._done[run.key] = run.trials


def read_runs(paths: Iterable[Path]) -> Iterator[Run]:
    """Yield the runs of files; a line that was cut off while it was written is left out."""
    for path in paths:
        if not path.is_file():
            continue
        for line in path.read_text().splitlines():
            try:
                data = json.loads(line)
            except ValueError:
                continue
            lists = {name: tuple(data[name]) for name in ("values", "ask_s", "trust")}
            pairs = data.get("foretold", ())
            lists["foretold"] = tuple(None if pair is None else tuple(pair) for pair in pairs)
            yield Run(**{**data, **lists})


def of_one_code(runs: Iterable[Run]) -> tuple[list[Run], int]:
    """Return the runs without those of ours that are of older code, and how many those are.

    The code of the last of our runs counts: a mean over two versions of the sampler is of neither.
    """
    listed = list(runs)
    last = next((run.code for run in reversed(listed) if run.method in _OURS), "")
    kept = [run for run in listed if run.method not in _OURS or run.code == last]
    return kept, len(listed) - len(kept)


@cache
def code_of(method: str) -> str:
    """Return what tells results of different code apart: a hash of ours, versions of the peers'.

    Read once in a process: what is edited later is not what runs.
    """
    if method in _OURS:
        return _fingerprint()
    return " ".join(f"{name}={found}" for name in _PACKAGES if (found := _version(name)))


def _fingerprint() -> str:
    return fingerprint(_CODE)


@cache
def fingerprint(patterns: tuple[str, ...]) -> str:
    """Return a hash of the product's code in folders, and in files by pattern, below the root."""
    digest = hashlib.sha256()
    for pattern in patterns:
        inside = f"{pattern}/**/*.py" if (ROOT / pattern).is_dir() else pattern
        for path in sorted(ROOT.glob(inside)):
            digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _short(data: dict[str, Any]) -> dict[str, Any]:
    data["ask_s"] = [round(value, 5) for value in data["ask_s"]]
    data["trust"] = [None if value is None else round(value, 3) for value in data["trust"]]
    if not any(value is not None for value in data["trust"]):
        data["trust"] = []
    if not any(pair is not None for pair in data["foretold"]):
        data["foretold"] = []
    return data
