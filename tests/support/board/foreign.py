"""Log directories that other tools and other hands have left: recorded, made, and hostile.

Each maker fills a folder that TensorBoard is to be pointed at. What a log may say it says here:
names and values with scripts, text from right to left, terminal codes; links out of the log root.
"""

from __future__ import annotations

import math
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

from tests.support.board.event_files import curve, end, file_name, start, write_events
from tests.support.board.trials import SCRIPT
from tests.support.study_run import write_study
from tuner.space import SearchSpace
from tuner.spec import parse_spec
from tuner.tfevents.framing import masked_crc

_DATA = Path(__file__).parents[2] / "data" / "history"
#: What real tools have written, by their name.
RECORDED = {
    "keras_callback": _DATA / "keras" / "callback",
    "keras_by_hand": _DATA / "keras" / "by-hand",
    "keras_tuner": _DATA / "kerastuner" / "logs",
    "tensorboardx": _DATA / "tensorboardx",
    "optuna_callback": _DATA.parent / "board" / "optuna",
}
_TIME_S = 1_795_871_476
#: Texts that a page must show as they are.
HOSTILE_NAMES = (
    SCRIPT,
    "\u202egnp.exe",
    "\x1b[31mred\x1b[0m\x07",
    "a\0b\ud7ff\nc",
    "'\"><svg onload=\"document.title='run'\">",
    '=HYPERLINK("http://127.0.0.1:1/")',
    "javascript:document.title='run'",
    "__proto__",
    "constructor",
)
_GIGABYTE = 1 << 30
_RUNS = 100_000
_COLUMNS = 10_000


def write_trial(
    folder: Path,
    params: dict[str, object],
    *,
    tag: str = "accuracy",
    values: tuple[float, ...] = (0.5, 0.75),
    ended: bool = True,
) -> None:
    """Write a run as HParams' API for scripts has it."""
    records = [start(params, _TIME_S), *curve(tag, values, _TIME_S)]
    write_events(folder / file_name(_TIME_S), [*records, *([end(_TIME_S + 60)] if ended else [])])


def copy_recorded(name: str, folder: Path) -> None:
    """Copy what a real tool has written; see `RECORDED`."""
    shutil.copytree(RECORDED[name], folder)


def no_hparams(folder: Path) -> None:
    """Curves alone."""
    for run in ("train", "validation"):
        write_events(folder / run / file_name(_TIME_S), curve("loss", (1.0, 0.5), _TIME_S))


def empty(folder: Path) -> None:
    """Nothing."""
    folder.mkdir(parents=True)


def nan_everywhere(folder: Path) -> None:
    """Three trials whose curves never were numbers."""
    for number, value in enumerate((math.nan, math.inf, -math.inf)):
        write_trial(folder / f"run-{number}", {"rate": value}, values=(value, value))


def unlogged_metric(folder: Path) -> None:
    """A declared metric that no run has."""
    write_study(
        folder.parent, folder.name, _space("rate"), [{"name": "f1", "goal": "maximize"}], {}
    )
    for number in range(3):
        write_trial(folder / f"run-{number}", {"rate": number / 3})


def two_studies(folder: Path) -> None:
    """Two experiment records and the runs of both in one directory."""
    for study, name in (("first", "rate"), ("second", "layers")):
        metrics = [{"name": "accuracy", "goal": "maximize"}]
        place = f"{folder.name}/{study}"
        write_study(folder.parent, place, _space(name), metrics, {0: 0.5, 1: 0.75})
        for number in range(2):
            write_trial(folder / study / f"run-{number}", {name: float(number)})


def hostile_names(folder: Path) -> None:
    """Scripts, directions of writing and terminal codes as names, values and tags."""
    for number, text in enumerate(HOSTILE_NAMES):
        params: dict[str, object] = {text: text, "mixed": [1, "1", True, text][number % 4]}
        write_trial(folder / f"run-{number}", params, tag=text, values=(0.1, number / 10))


def many_columns(folder: Path) -> None:
    """Three trials of ten thousand parameters each."""
    for number in range(3):
        params = {f"layer_{n}.units": n + number for n in range(_COLUMNS)}
        write_trial(folder / f"run-{number}", params)


def many_runs(folder: Path, count: int = _RUNS) -> None:
    """A hundred thousand runs, each a folder with an event file."""
    models = []
    for number in range(20):
        path = folder / f"run-{number:06d}"
        write_trial(path, {"rate": number / 20, "layers": number % 5}, values=(0.1, number / 20))
        models.append((path / file_name(_TIME_S)).read_bytes())
    name = file_name(_TIME_S)
    for number in range(len(models), count):
        # By plain names: paths would take half of the time.
        path = f"{folder}/run-{number:06d}"
        os.mkdir(path)  # noqa: PTH102
        file = os.open(f"{path}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(file, models[number % len(models)])
        os.close(file)


def giant_file(folder: Path) -> None:
    """A good trial beside one whose event file is a gigabyte, and one whose record says it is."""
    write_trial(folder / "good", {"rate": 0.1})
    write_trial(folder / "sparse", {"rate": 0.2})
    os.truncate(folder / "sparse" / file_name(_TIME_S), _GIGABYTE)
    write_trial(folder / "claims", {"rate": 0.3}, ended=False)
    path = folder / "claims" / file_name(_TIME_S)
    with path.open("ab") as file:
        # The head of a record is right: its length, a gigabyte, and the sum of that.
        file.write(_head(_GIGABYTE))
    os.truncate(path, path.stat().st_size + _GIGABYTE)


def garbage(folder: Path) -> None:
    """A good trial beside what never was an event file, torn ones, and JSON that is none."""
    write_trial(folder / "good", {"rate": 0.1})
    (folder / "noise").mkdir()
    (folder / "noise" / file_name(_TIME_S)).write_bytes(bytes(range(256)) * 4096)
    write_trial(folder / "torn", {"rate": 0.2})
    path = folder / "torn" / file_name(_TIME_S)
    os.truncate(path, path.stat().st_size - 7)
    write_trial(folder / "json", {"rate": 0.3})
    (folder / "json" / "trial.json").write_text("[" * 200_000)
    (folder / "json" / "config.json").write_text(
        '{"params": {"rate": 1e999, "x": ' + "9" * 9999 + "}}"
    )
    write_trial(folder / "empty", {"rate": 0.4})
    (folder / "empty" / file_name(_TIME_S + 1)).write_bytes(b"")


def pipes_and_links(folder: Path) -> None:
    """A good trial beside pipes, links out of the folder, links in a circle and odd folders.

    Beside `folder` there is then `outside.txt`, which says "a secret outside".
    """
    outside = folder.parent / "outside.txt"
    outside.write_text("a secret outside\n")
    for name in ("good", "linked", "piped", "folders"):
        write_trial(folder / name, {"rate": 0.1})
    for name in ("trial.json", "config.json", "output.log"):
        (folder / "linked" / name).symlink_to(outside)
        os.mkfifo(folder / "piped" / name)
        (folder / "folders" / name).mkdir()
    os.mkfifo(folder / "piped" / file_name(_TIME_S + 1))
    (folder / "circle").symlink_to(folder, target_is_directory=True)
    (folder / "away").symlink_to(folder.parent, target_is_directory=True)


#: Folders that come with a good trial, or say in a sentence what is the matter.
HOSTILE: dict[str, Callable[[Path], None]] = {
    maker.__name__: maker
    for maker in (
        empty, no_hparams, nan_everywhere, unlogged_metric, two_studies, hostile_names,
        garbage, pipes_and_links, many_columns, giant_file, many_runs,
    )
}  # fmt: skip


def _head(length: int) -> bytes:
    """Return the first twelve bytes of a record of that length."""
    size = struct.pack("<Q", length)
    return size + struct.pack("<I", masked_crc(size))


def _space(name: str) -> SearchSpace:
    document = {
        "project": "lab",
        "study": "foreign",
        "objective": "m:f",
        "metric": {"name": "accuracy", "goal": "maximize"},
        "search_space": {name: {"type": "float", "low": 0.0, "high": 9.0}},
        "budget": {"trials": 1},
    }
    return parse_spec(document).space
