"""Which files of a folder count as the code of an objective."""

from __future__ import annotations

import pytest

from tuner.snapshot import needed_files


def needed(files: dict[str, str], module: str = "objectives") -> set[str]:
    return set(needed_files({path: text.encode() for path, text in files.items()}, [module]))


def test_files_that_a_command_names_count_with_what_they_import() -> None:
    files = {"train.py": "import layers", "layers.py": "", "conf.yaml": "a: 1", "notes.md": ""}
    content = {path: text.encode() for path, text in files.items()}
    command = ("python", "./train.py", "--settings", "conf.yaml", "--lr", "{train.learning_rate}")

    assert needed_files(content, [], command) == {"train.py", "layers.py", "conf.yaml"}


@pytest.mark.parametrize(
    "line",
    [
        "import layers",
        "import layers as l, numpy",
        "from layers import block",
        "from layers import *",
        "def train(run):\n    import layers",
        "try:\n    import layers\nexcept ImportError:\n    layers = None",
        "if x:\n    pass\nelif y:\n    import layers",
        "with a:\n    for i in b:\n        import layers",
        "class A:\n    import layers",
        "import importlib\nimportlib.import_module('layers')",
        "from importlib import import_module as m, import_module\nimport_module(name='x'),"
        "import_module('layers')",
        "__import__('layers')",
        "f = lambda: __import__('layers')",
    ],
)
def test_an_import_counts_wherever_it_stands(line: str) -> None:
    files = {"objectives.py": line, "layers.py": "", "notes.py": "", "NOTES.md": ""}

    assert needed(files) == {"objectives.py", "layers.py"}


@pytest.mark.parametrize(
    "line",
    [
        "# import layers",
        "'import layers'",
        "if __name__ == '__main__':\n    import layers",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import layers",
        "import typing\nif typing.TYPE_CHECKING:\n    import layers",
        "import other.layers",
        "importlib.import_module(name)",
    ],
)
def test_what_no_trial_imports_does_not_count(line: str) -> None:
    assert needed({"objectives.py": line, "layers.py": ""}) == {"objectives.py"}


def test_the_other_branch_of_a_main_block_counts() -> None:
    text = "if __name__ == '__main__':\n    import by_hand\nelse:\n    import layers"

    found = needed({"objectives.py": text, "layers.py": "", "by_hand.py": ""})

    assert found == {"objectives.py", "layers.py"}


def test_imports_are_followed_through_modules_that_import_each_other() -> None:
    files = {"objectives.py": "import a", "a.py": "import b", "b.py": "import a, c", "c.py": ""}

    assert needed(files) == {"objectives.py", "a.py", "b.py", "c.py"}


def test_a_package_brings_its_init_and_those_above_it() -> None:
    files = {
        "zoo/__init__.py": "from zoo import registry",
        "zoo/registry.py": "",
        "zoo/nets/__init__.py": "",
        "zoo/nets/conv.py": "from ..common import block\nfrom . import pool\nfrom .act import *",
        "zoo/nets/pool.py": "",
        "zoo/nets/act.py": "",
        "zoo/nets/unused.py": "",
        "zoo/common.py": "",
        "objectives.py": "import zoo.nets.conv",
    }

    assert needed(files) == {*files} - {"zoo/nets/unused.py"}


def test_a_name_taken_from_a_package_may_be_a_module_of_it() -> None:
    files = {
        "objectives.py": "from zoo import conv, name",
        "zoo/__init__.py": "",
        "zoo/conv.py": "",
    }

    assert needed(files) == {*files}


def test_a_star_takes_what_the_package_exports() -> None:
    files = {
        "objectives.py": "from zoo import *",
        "zoo/__init__.py": "__all__ = ['conv']\n__all__ += ('dense',)",
        "zoo/conv.py": "",
        "zoo/dense.py": "",
        "zoo/other.py": "",
    }

    assert needed(files) == {*files} - {"zoo/other.py"}


def test_a_folder_without_init_is_a_package_too() -> None:
    files = {
        "objectives.py": "from nets.deep import conv",
        "nets/deep/conv.py": "",
        "nets/x.py": "",
    }

    assert needed(files) == {"objectives.py", "nets/deep/conv.py"}


def test_an_objective_in_a_package_brings_the_packages_above_it() -> None:
    files = {"exp/__init__.py": "", "exp/mlp.py": "from . import data", "exp/data.py": ""}

    assert needed(files, "exp.mlp") == {*files}


def test_a_package_hides_a_module_of_its_name_and_a_module_a_bare_folder() -> None:
    both = {"objectives.py": "import zoo", "zoo.py": "", "zoo/__init__.py": "", "zoo/a.py": ""}
    bare = {"objectives.py": "import zoo.a", "zoo.py": "", "zoo/a.py": ""}

    assert needed(both) == {"objectives.py", "zoo/__init__.py"}
    assert needed(bare) == {"objectives.py", "zoo.py"}


def test_compiled_modules_count_and_stubs_do_not() -> None:
    files = {
        "objectives.py": "import fast, slow",
        "fast.cpython-311-x86_64-linux-gnu.so": "",
        "fast.pyi": "",
        "slow.abi3.so": "",
        "slow.py": "",
    }

    assert needed(files) == {*files} - {"fast.pyi"}


def test_a_script_that_the_code_starts_counts_with_what_it_imports() -> None:
    files = {
        "objectives.py": "subprocess.run([sys.executable, HERE / 'tools/fit.py', 'train.py'])",
        "tools/fit.py": "if __name__ == '__main__':\n    import beside, layers\n    run('more.py')",
        "tools/beside.py": "",
        "tools/more.py": "run('../train.py'); run('fit.py')",
        "layers.py": "",
        "train.py": "",
        "other.py": "",
    }

    assert needed(files) == {*files} - {"other.py"}


def test_a_relative_name_is_read_where_it_is_written_out() -> None:
    files = {
        "exp/__init__.py": "",
        "exp/mlp.py": "import_module('.data', __package__); import_module('.conv', package='zoo')",
        "exp/data.py": "",
        "zoo/conv.py": "",
    }

    assert needed(files, "exp.mlp") == {*files}


def test_a_module_that_cannot_be_parsed_counts_and_leads_nowhere() -> None:
    files = {"objectives.py": "import broken", "broken.py": "import layers\n(", "layers.py": ""}

    assert needed(files) == {"objectives.py", "broken.py"}


@pytest.mark.parametrize(
    "text", ["from .... import x", "import a..b", "from . import objectives", "\0", "(" * 5000]
)
def test_odd_sources_are_survived(text: str) -> None:
    assert needed({"objectives.py": text, "x.py": ""}) == {"objectives.py"}
