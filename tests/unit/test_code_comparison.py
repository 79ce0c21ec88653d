"""When two snapshots hold the same code, and how a change of it is named."""

from __future__ import annotations

import gzip
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.archives import make_archive
from tuner.snapshot import CodeDifference, compare_code, contents, make_snapshot

CODE = '''
    """What this trains."""
    import math
    import layers  # ours


    def train(run):
        """Train once."""
        width = run.params["width"]
        if width > 3:
            width = width - 1
        else:
            width = 3
        model = layers.build(
            width,
            depth=2,
            seed=run.seed,
        )
        return model.fit(width)


    if __name__ == "__main__":
        print(train(None))
'''
FILES = {"objectives.py": dedent(CODE), "layers.py": "def build(*a, **k):\n    return 1\n"}


def compare(new: dict[str, str | None], old: dict[str, str] | None = None) -> CodeDifference:
    """Compare `FILES` (or `old`) with itself after changes; None removes a file."""
    before = {**FILES, **(old or {})}
    after = {name: text for name, text in {**before, **new}.items() if text is not None}
    return compare_code(make_archive(before), make_archive(after), ["objectives"])


def edit(old: str, new: str) -> dict[str, str | None]:
    assert old in FILES["objectives.py"]
    return {"objectives.py": FILES["objectives.py"].replace(old, new)}


@pytest.mark.parametrize(
    "change",
    [
        edit("# ours", "# theirs"),
        edit("import math\n", "# what a month\n\nimport math\n"),
        edit('"""Train once."""', "'Train twice, with care.'"),
        edit('"""What this trains."""', "'''Another text.'''"),
        edit('    """Train once."""\n', ""),
        edit("width = width - 1", "width = (width-1)"),
        edit('run.params["width"]', "run.params[  'width' ]"),
        edit("        depth=2,\n        seed=run.seed,\n", "        depth=2, seed=run.seed\n"),
        edit("print(train(None))", "print(train(3))\n    print('again')"),
        edit("return model.fit(width)", "return (\n        model\n        .fit(width)\n    )"),
        edit("    if width > 3:", "    'a note'\n    if width > 3:"),
    ],
)
def test_comments_format_docstrings_and_the_main_block_are_no_change(
    change: dict[str, str | None],
) -> None:
    assert compare(change) == CodeDifference(code=())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (edit("width - 1", "width - 2"), "line 11 changed (1 line)"),
        (edit("depth=2", "depth=3"), "line 16 changed (1 line)"),
        (edit("width > 3", "width >= 3"), "line 10 changed (1 line)"),
        (edit("width = 3", "width = 4"), "line 13 changed (1 line)"),
        (edit("import math\n", "import math, json\n"), "line 3 changed (1 line)"),
        (edit("import math\n", ""), "1 line removed"),
        (edit("train(run):", "train(run, more=1):"), "line 7 changed (1 line)"),
        (edit("def train", "@wrapped\ndef train"), "line 7 changed (1 line)"),
        (edit("fit(width)", "fit(width)\n\n\ndef more():\n    return 2"), "lines 22-23 changed"),
        (edit("return model.fit", "x = 1\n    # why\n    return model.fit"), "line 19 changed"),
        (edit("    else:\n        width = 3\n", "    width = 3\n"), "line 12 changed (1 line)"),
    ],
)
def test_a_change_names_its_lines(change: dict[str, str | None], text: str) -> None:
    (said,) = compare(change).code

    assert said.startswith(f"objectives.py: {text}")


def test_a_renamed_local_variable_is_a_change_with_all_its_lines() -> None:
    (said,) = compare({"objectives.py": FILES["objectives.py"].replace("width", "w")}).code

    assert said == "objectives.py: lines 9-11, 13, 15 and 19 changed (6 lines)"


def test_many_places_are_counted() -> None:
    old = "".join(f"x{n} = {n}\ny{n} = {n}\n" for n in range(9))
    new = "".join(f"x{n} = {n}\ny{n} = {n + 1}\n" for n in range(9))

    (said,) = compare({"objectives.py": new}, {"objectives.py": old}).code

    assert said == "objectives.py: lines 2, 4, 6 and 6 more places changed (9 lines)"


def test_a_script_is_code_with_what_stands_under_main() -> None:
    script = "def go():\n    pass\n\n\nif __name__ == '__main__':\n    go()\n"
    old = {"objectives.py": "run('fit.py')\n", "fit.py": script}

    assert compare({"fit.py": script.replace("    go()", "    go()  # now")}, old).code == ()
    assert compare({"fit.py": script.replace("    go()", "    go(2)")}, old).code == (
        "fit.py: line 6 changed (1 line)",
    )


def test_what_is_beside_the_code_ends_nothing_and_is_named() -> None:
    new = {"NOTES.md": "a note", "other.py": "x = 2", "objectives2.py": "def f(): pass"}

    assert compare({**new}, {"other.py": "x = 1", "gone.csv": "1"}) == CodeDifference(
        code=(), others=("NOTES.md", "objectives2.py", "other.py")
    )
    assert compare({"gone.csv": None}, {"gone.csv": "1"}).others == ("gone.csv",)


def test_logs_of_an_older_snapshot_are_not_worth_a_word() -> None:
    assert compare(
        {"run.log": None, "plots/a.png": None}, {"run.log": "1", "plots/a.png": "2"}
    ) == (CodeDifference(code=()))


def test_files_that_come_and_go_are_named() -> None:
    imports = edit("import math\n", "import more\n")

    assert compare({**imports, "more.py": "x = 1"}).code == (
        "more.py: is new",
        "objectives.py: line 3 changed (1 line)",
    )
    assert compare(imports, {"more.py": "x = 1"}).code == (
        "more.py: is imported now",
        "objectives.py: line 3 changed (1 line)",
    )
    assert compare({"layers.py": None}).code == ("layers.py: is gone",)


def test_a_package_that_comes_to_hide_a_module_is_a_change() -> None:
    assert compare({"layers/__init__.py": ""}).code == ("layers.py: is not imported any more",)


def test_an_empty_init_is_no_change() -> None:
    old = {"objectives.py": "import nets.conv", "nets/conv.py": "x = 1"}

    assert compare({"nets/__init__.py": "# empty"}, old).code == ()
    assert compare({"nets/__init__.py": "y = 1"}, old).code == ("nets/__init__.py: is new",)


def test_what_cannot_be_parsed_counts_by_its_bytes() -> None:
    old = {"layers.py": "def build(:\n"}

    assert compare({}, old).code == ()
    assert compare({"layers.py": "def build(: # x\n"}, old).code == ("layers.py: changed",)


def test_what_a_trial_loaded_counts_although_nothing_names_it() -> None:
    old, new = ({**FILES, "dynamic.py": f"x = {n}", "data.csv": str(n)} for n in (1, 2))
    args = make_archive(old), make_archive(new), ["objectives"]

    assert compare_code(*args).code == ()
    found = compare_code(*args, loaded=["dynamic.py", "../else.py", "none.py"])
    assert found == CodeDifference(
        code=("dynamic.py: line 1 changed (1 line)",), others=("data.csv",)
    )


@pytest.mark.parametrize(
    "damaged", [None, b"", b"not an archive", gzip.compress(b"no tar" * 99, mtime=0)]
)
def test_a_snapshot_that_cannot_be_read_is_other_code(damaged: bytes | None) -> None:
    (said,) = compare_code(damaged, make_archive(FILES), ["objectives"]).code

    assert "cannot be compared" in said


def test_a_snapshot_that_unpacks_to_too_much_is_not_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contents, "MAX_UNPACKED_BYTES", 100_000)
    bomb = make_archive({"objectives.py": "#" * 100_000})

    assert "cannot be compared" in compare_code(bomb, bomb, ["objectives"]).code[0]


@pytest.mark.parametrize("files", [{"/a.py": ""}, {"../a.py": ""}, {f"{n}": "" for n in range(9)}])
def test_an_archive_that_is_no_snapshot_of_a_folder_is_other_code(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "MAX_MEMBERS", 8)
    archive = make_archive({"objectives.py": "", **files})

    assert not compare_code(archive, archive, ["objectives"]).is_known


def test_linked_modules_and_packages_count_as_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "lib" / "nets").mkdir(parents=True)
    (tmp_path / "objectives.py").write_text("import zoo.conv, one\n")
    (tmp_path / "zoo").symlink_to(tmp_path / "lib" / "nets")
    (tmp_path / "one.py").symlink_to(tmp_path / "lib" / "real.py")
    for name, text in (("nets/conv.py", "x = 1\n"), ("real.py", "y = 1\n"), ("no.py", "z = 1\n")):
        (tmp_path / "lib" / name).write_text(text)
    old = make_snapshot(tmp_path).data
    for name in ("nets/conv.py", "real.py", "no.py"):
        (tmp_path / "lib" / name).write_text("x = 2\n")

    found = compare_code(old, make_snapshot(tmp_path).data, ["objectives"])
    assert [text.partition(":")[0] for text in found.code] == ["one.py", "zoo/conv.py"]
    assert "lib/no.py" in found.others


def test_very_many_changed_files_are_counted() -> None:
    old = {"objectives.py": "import " + ", ".join(f"m{n}" for n in range(20))}
    old |= {f"m{n}.py": "x = 1" for n in range(20)}
    new: dict[str, str | None] = {f"m{n}.py": "x = 2" for n in range(20)}

    said = compare(new, old).code

    assert (len(said), said[-1]) == (8, "and 13 more files")


def test_a_loader_and_a_commands_settings_are_code_as_well() -> None:
    old = {"zoo.py": "", "loading.py": "import shapes", "shapes.py": "n = 1", "conf.yaml": "a: 1"}
    new = {**old, "shapes.py": "n = 2", "conf.yaml": "a: 2"}
    archives = make_archive(old), make_archive(new)

    assert compare_code(*archives, ["zoo"]).code == ()
    changed = "shapes.py: line 1 changed (1 line)"
    assert compare_code(*archives, ["zoo", "loading"]).code == (changed,)
    assert compare_code(*archives, [], named=["python", "conf.yaml"]).code == (
        "conf.yaml: changed",
    )
