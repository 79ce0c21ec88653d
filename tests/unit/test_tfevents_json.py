"""The JSON files beside the event files."""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path

import numpy as np

from tuner.roots import Place
from tuner.tfevents import read_json, write_json


def test_the_file_is_strict_json_and_ends_with_a_newline(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "config.json"
    write_json(
        Place(path.parent), path.name, {"name": "größe", "nested": {"list": [1, 2.5, None, True]}}
    )

    assert json.loads(path.read_text()) == {
        "name": "größe",
        "nested": {"list": [1, 2.5, None, True]},
    }
    assert path.read_text().endswith("}\n")


def test_non_finite_numbers_become_null_at_any_depth(tmp_path: Path) -> None:
    write_json(Place(tmp_path), "x.json", {"a": math.nan, "b": [math.inf, {"c": (-math.inf, 1.0)}]})

    assert read_json(Place(tmp_path), "x.json") == {"a": None, "b": [None, {"c": [None, 1.0]}]}


def test_numpy_paths_and_other_values_have_a_plain_form(tmp_path: Path) -> None:
    data = {
        "scalar": np.float32(0.5),
        "integer": np.int64(3),
        "flag": np.bool_(True),
        "nan": np.float64("nan"),
        "array": np.arange(3),
        "path": Path("a/b"),
        5: "key",
    }
    write_json(Place(tmp_path), "x.json", data)

    assert read_json(Place(tmp_path), "x.json") == {
        "scalar": 0.5,
        "integer": 3,
        "flag": True,
        "nan": None,
        "array": [0, 1, 2],
        "path": "a/b",
        "5": "key",
    }


def test_exact_numbers_survive(tmp_path: Path) -> None:
    write_json(Place(tmp_path), "x.json", {"objective": 0.1 + 0.2, "big": 2**70})

    assert read_json(Place(tmp_path), "x.json") == {"objective": 0.1 + 0.2, "big": 2**70}


def test_readers_see_a_whole_file_while_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "trial.json"
    write_json(Place(path.parent), path.name, {"n": -1})
    seen: list[object] = []

    def read() -> None:
        while not seen or seen[-1] != {"n": 99, "x": "y" * 5000}:
            seen.append(read_json(Place(path.parent), path.name))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        write_json(Place(path.parent), path.name, {"n": number, "x": "y" * 5000})
    reader.join(30)

    assert None not in seen
    assert [entry.name for entry in tmp_path.iterdir()] == ["trial.json"]


def test_missing_and_damaged_files_read_as_none(tmp_path: Path) -> None:
    (tmp_path / "torn.json").write_bytes(b'{"a": [1, 2')
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")

    assert read_json(Place(tmp_path), "torn.json") is None
    assert read_json(Place(tmp_path), "binary.json") is None
    assert read_json(Place(tmp_path), "missing.json") is None
