"""The key `history` of a spec: what it may hold, where its paths lead, and its one form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_spec import MINIMAL, refusal
from tuner.errors import SpecError
from tuner.spec import edit_spec, load_spec, parse_spec
from tuner.spec.history import AUTO, History

SPACE = {"train.learning_rate": {"type": "float", "low": 1e-5, "high": 0.1, "log": True}}
LR = {"lr": "train.learning_rate"}


def history(value: Any) -> History:
    return parse_spec({**MINIMAL, "search_space": SPACE, "history": value}).history


def load(folder: Path, value: str) -> tuple[History, list[str]]:
    path = folder / "s.yaml"
    path.write_text(
        "project: vision\nstudy: digits\nobjective: objectives:train\n"
        "metric: {name: loss, goal: minimize}\n"
        "search_space: {train.learning_rate: {type: float, low: 1e-5, high: 1e-1, log: true}}\n"
        f"budget: {{trials: 3}}\nhistory: {value}\n"
    )
    loaded = load_spec(path)
    return loaded.spec.history, [line.removeprefix(f"{path}:") for line in loaded.warnings]


@pytest.mark.parametrize("value", [None, "auto", ["auto"], [{"auto": True}], {"auto": True}])
def test_all_ways_to_say_auto_are_one(value: Any) -> None:
    assert history(value) == AUTO
    spec = parse_spec({**MINIMAL, "history": value})
    assert spec.to_json()["history"] == "auto"


def test_none_and_an_empty_list_take_nothing() -> None:
    assert history("none") == history([]) == ()
    assert parse_spec({**MINIMAL, "history": []}).to_json()["history"] == "none"


def test_words_stand_for_studies_paths_and_auto() -> None:
    items = history(["vision/digits-mlp", "/old-logs", "sqlite:////old.db", "/a/b", "auto"])

    assert [item.study for item in items] == ["vision/digits-mlp", None, None, None, None]
    assert [item.path for item in items[1:4]] == ["/old-logs", "sqlite:////old.db", "/a/b"]
    assert [item.auto for item in items] == [None, None, None, None, True]


def test_a_mapping_carries_weight_and_renames() -> None:
    (item,) = history({"auto": True, "weight": 2, "rename": {**LR, "acc": "loss", "bs": None}})

    assert item.weight == 2.0
    assert item.rename == {"lr": "train.learning_rate", "acc": "loss", "bs": None}


def test_a_path_is_seen_from_the_folder_of_the_spec(tmp_path: Path) -> None:
    (tmp_path / "old logs").mkdir()
    folder = tmp_path / "specs"
    folder.mkdir()

    items, warnings = load(folder, '["../old logs", ./a/b, {path: ~nobody-here/x}]')

    places = [str(tmp_path / "old logs"), str(folder / "a/b"), str(folder / "~nobody-here/x")]
    assert [item.path for item in items] == places
    assert len(warnings) == 2, "what is there is not warned of"
    assert warnings[0].startswith('7:26: history[1].path: "/')


def test_a_loop_of_links_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")

    items, _ = load(tmp_path, "[./loop/logs]")

    assert items[0].path == str(tmp_path / "loop/logs")


def test_the_study_itself_is_warned_of(tmp_path: Path) -> None:
    _, warnings = load(tmp_path, "[vision/digits, auto]")

    assert "history[0].study" in warnings[0]
    assert "the study itself" in warnings[0]


def test_a_relative_path_is_refused_where_there_is_no_folder() -> None:
    (line,) = refusal({**MINIMAL, "history": ["../old-logs"]})
    assert line.startswith('request: history[0].path: "../old-logs": an absolute path')

    with pytest.raises(SpecError, match=r"history\[0\].path: .*an absolute path"):
        edit_spec(parse_spec(MINIMAL), {"history": ["../old-logs"]})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:hunter2@db/optuna",
        "postgresql://db/optuna?password=hunter2",
        "mysql+pymysql://:hunter2@db/x",
    ],
)
@pytest.mark.parametrize(
    "form", ["{}", ["{}"], [{"path": "{}"}], [{"study": "{}"}], {"auto": "{}"}]
)
def test_a_password_is_refused_and_never_shown(url: str, form: Any) -> None:
    def put(value: Any) -> Any:
        if isinstance(value, str):
            return value.format(url)
        if isinstance(value, list):
            return [put(item) for item in value]
        return {key: put(item) for key, item in value.items()}

    assert "hunter2" not in "\n".join(refusal({**MINIMAL, "history": put(form)}))


def test_edit_takes_history_away_and_back() -> None:
    spec = parse_spec(MINIMAL)

    without = edit_spec(spec, {"history": "none"})
    assert without.history == ()
    assert edit_spec(without, {"history": "auto"}) == spec
    with pytest.raises(SpecError, match=r"^history: \"maybe\": auto, none, or a list"):
        edit_spec(spec, {"history": "maybe"})


NAMES = st.from_regex(r"[a-z0-9]{1,8}/[a-z0-9]{1,8}", fullmatch=True)
PLACES = st.one_of(
    NAMES.map(lambda name: {"study": name}),
    NAMES.map(lambda name: {"path": f"/{name}"}),
    st.just({"auto": True}),
)
RENAMES = st.dictionaries(
    st.text("abcdef./_ é", min_size=1, max_size=8),
    st.sampled_from(["train.learning_rate", "loss", None]),
    max_size=4,
)
ITEMS = st.builds(
    lambda place, weight, rename: {**place, "weight": weight, "rename": rename},
    PLACES,
    st.floats(0.25, 100),
    RENAMES,
)


@given(st.lists(ITEMS, max_size=6, unique_by=lambda item: str({**item, "weight": 0, "rename": 0})))
def test_what_is_stored_is_read_back_as_it_was(items: list[dict[str, Any]]) -> None:
    spec = parse_spec({**MINIMAL, "search_space": SPACE, "history": items})

    assert len(spec.history) == len(items)
    assert parse_spec(spec.to_json()) == spec


def test_a_url_of_a_file_leads_to_the_file_that_is_seen_from_the_specs_folder(
    tmp_path: Path,
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "by-link").symlink_to("specs")
    found, _ = load(
        tmp_path / "by-link", "['sqlite:///../old.db#one', 'sqlite:////a/b.db', 'postgresql://h/d']"
    )

    assert [item.path for item in found] == [
        f"sqlite:///{tmp_path}/old.db#one",
        "sqlite:////a/b.db",
        "postgresql://h/d",
    ]
