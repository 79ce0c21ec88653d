"""TensorBoard's tab Best trials at 5 000 trials, beside its tab HPARAMS on the same directory.

Another size: `python -m tests.benchmarks board --board-trials 20000`.
"""

from __future__ import annotations

import gzip
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from tests.benchmarks.board_page import STOCK_WITHIN_S, PageTimes, measure_page
from tests.benchmarks.figure import Figure, median, quantile
from tests.benchmarks.machine import resident_mb
from tests.support.board.lab import BoardLab, open_board_lab
from tests.support.board.tensorboard_api import TensorBoard, open_tensorboard
from tuner import board

STUDY = "lab/endings"
PARAMETERS = 20
EPOCHS = 30
#: Of each kind of question to the server.
TIMES = 15
_LOAD_S = 600.0
_STATIC = Path(board.__file__).parent / "static"
#: TensorBoard without our plugin, on the same directory.
_STOCK = """
import sys
from absl import app
from tensorboard import default, main_lib, program
main_lib.global_init()
plugins = [p for p in default.get_plugins() if getattr(p, "__name__", "") != "BestTrialsLoader"]
board = program.TensorBoard(plugins=plugins)
app.run(board.main, ["tensorboard", *sys.argv[1:]], flags_parser=board.configure)
"""


def measure(trials: int, home: Path | None) -> list[Figure]:
    """Measure server, page and files.

    Args:
        trials: of the study.
        home: one that `tests.support.board.lab` has made; None: it is made anew.
    """
    with _lab(trials, home) as lab:
        logs = lab.log_root / STUDY
        runs = len(list(logs.glob("trial_*")))
        figures = [*_of_files(logs), *_of_scripts()]
        with open_tensorboard(logs, program=["-c", _STOCK]) as stock:
            stock_mb = _loaded_mb(stock, own=False)
        with open_tensorboard(logs) as own:
            began = time.monotonic()
            own_mb = _loaded_mb(own, own=True)
            loaded_s = time.monotonic() - began
            figures += _of_server(own, loaded_s, own_mb, stock_mb)
            figures += _of_page(measure_page(own, STUDY, lab))
    note = f"{runs} runs, {PARAMETERS} parameters"
    return [replace(figure, note=figure.note or note) for figure in figures]


@contextmanager
def _lab(trials: int, home: Path | None) -> Iterator[BoardLab]:
    with (
        tempfile.TemporaryDirectory(prefix="tuner-bench-board-") as scratch,
        open_board_lab(home or Path(scratch)) as lab,
    ):
        if home is None:
            lab.add_study(STUDY, trials, parameters=PARAMETERS, epochs=EPOCHS)
        yield lab


def _of_files(logs: Path) -> list[Figure]:
    sizes = [path.stat().st_size / 1000 for path in logs.glob("trial_*/events*")]
    note = f"median of {len(sizes)} trials of {EPOCHS} epochs and two curves"
    return [Figure(name="event file", value=median(sizes), unit="kB", limit=10.0, note=note)]


def _of_scripts() -> list[Figure]:
    """Return what a browser loads of ours before the first plot: all that lies outside `plots`."""
    first = [
        path
        for path in _STATIC.rglob("*.js")
        if "plots" not in path.parts and path.name not in ("compare.js", "advice.js")
    ]
    packed = sum(len(gzip.compress(path.read_bytes())) for path in first) / 1000
    note = f"{len(first)} modules, gzip"
    return [Figure(name="our script before a plot", value=packed, unit="kB", limit=60.0, note=note)]


def _loaded_mb(board: TensorBoard, *, own: bool) -> float:
    """Return the memory of TensorBoard's Python process once a table was asked for."""
    deadline = time.monotonic() + _LOAD_S
    while time.monotonic() < deadline:
        if own:
            answer = _ask(board, limit=100)
            if answer.status_code == 200 and not answer.json()["loading"]:
                break
        elif len(board.runs()) > 1 and board.experiment()["hparamInfos"]:
            break
        time.sleep(0.2)
    board.session_groups(limit=100)
    return resident_mb(board.pid)


def _of_server(board: TensorBoard, loaded_s: float, own_mb: float, stock_mb: float) -> list[Figure]:
    kinds = {
        "first page": {},
        "sorted": {"sort": "params.train.learning_rate", "order": "desc"},
        "filtered": {"query": "train.batch_size=64 val_accuracy>0.9 state:complete"},
    }
    figures = [
        Figure(name="loaded after", value=loaded_s, unit="s"),
        Figure(
            name="memory over stock", value=own_mb - stock_mb, unit="MB", limit=150.0,
            note=f"resident: {own_mb:.0f} MB with the tab, {stock_mb:.0f} MB without",
        ),
    ]  # fmt: skip
    for kind, parameters in kinds.items():
        times = [_timed(board, limit=100, **parameters) for _ in range(TIMES)]
        figures.append(
            Figure(
                name=f"server, {kind}", value=quantile(times, 0.95), unit="s",
                limit=0.3 if kind == "first page" else 0.15,
                note=f"95 % of {TIMES} answers of 100 rows; median {median(times):.3f} s",
            )
        )  # fmt: skip
    stock = []
    for _ in range(3):
        began = time.perf_counter()
        board.session_groups(limit=100)
        stock.append(time.perf_counter() - began)
    note = "HPARAMS' own question for 100 rows, median of 3"
    return [
        *figures,
        Figure(name="server, stock HPARAMS", value=median(stock), unit="s", note=note),
    ]


def _of_page(times: PageTimes) -> list[Figure]:
    beside = "headless Chromium, this machine"
    return [
        Figure(name="first page", value=times.first_page_s, unit="s", limit=1.0,
               note=f"from the begin of the tab's frame to a row, median of 3; {beside}"),
        Figure(name="interactive", value=times.interactive_s, unit="s", limit=3.0,
               note="from a cold page to a sorted table, median of 3"),
        Figure(name="stock HPARAMS, table", value=times.stock_s, unit="s",
               note=f"from a cold page; inf: no row within {STOCK_WITHIN_S:.0f} s"),
        Figure(name="sort", value=times.sort_ms, unit="ms", limit=150.0, note="in the page"),
        Figure(name="filter", value=times.filter_ms, unit="ms", limit=150.0, note="in the page"),
        Figure(name="brushing", value=times.brush_fps, unit="frames/s", better="high", limit=30.0,
               note="parallel coordinates while the pointer drags"),
        Figure(name="new result", value=times.new_result_s, unit="s", limit=5.0,
               note="from the end of its trial to its row"),
    ]  # fmt: skip


def _ask(board: TensorBoard, **parameters: object) -> httpx.Response:
    url = f"{board.url}/data/plugin/best_trials/trials"
    return httpx.get(url, params={"study": STUDY, **parameters}, timeout=120.0, trust_env=False)


def _timed(board: TensorBoard, **parameters: object) -> float:
    began = time.perf_counter()
    _ask(board, **parameters).raise_for_status()
    return time.perf_counter() - began
