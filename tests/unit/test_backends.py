"""Which backend Keras computes with: who decides, what is imported ahead, what may be forked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tuner.protocol import Asked, Assignment, backend_asked
from workers.backends import choice as choices
from workers.backends import devices
from workers.backends.choice import BackendChoice, choose, choose_default, problem
from workers.backends.devices import take_device
from workers.backends.fork_safety import started
from workers.backends.preimport import preimport
from workers.backends.selection import BackendSelection, code_asks
from workers.backends.trial import BackendError, prepare, say_if_overruled
from workers.trial.fork_server import Imported

ENVIRONMENT = BackendChoice(name="tensorflow", source="environment")
INSTALLED = BackendChoice(name="tensorflow", source="installed")


def assignment(**fields: Any) -> Assignment:
    return Assignment(
        attempt="s1-t0-a1",
        study="vision/digits",
        trial=0,
        attempt_no=1,
        params={},
        seed=7,
        objective="objectives.digits:train",
        metrics=[{"name": "score", "goal": "maximize"}],
        run_dir="r",
        checkpoint_dir="c",
        **fields,
    )


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The modules that there are; tests change the set."""
    there = {"keras", "tensorflow", "jax"}
    monkeypatch.setattr(choices, "is_installed", there.__contains__)
    return there


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (b'os.environ["KERAS_BACKEND"] = "jax"', Asked(firmly=frozenset({"jax"}))),
        (b"  environ[ 'KERAS_BACKEND' ]='torch'  # fast", Asked(firmly=frozenset({"torch"}))),
        (b'os.environ.setdefault("KERAS_BACKEND", "jax")', Asked(softly=frozenset({"jax"}))),
        (b'# os.environ["KERAS_BACKEND"] = "jax"', Asked()),
        (b'if os.environ.get("KERAS_BACKEND") == "jax":', Asked()),
        (b'if os.environ["KERAS_BACKEND"] == "jax":', Asked()),
        (b'os.environ["KERAS_BACKEND"] = run.params["backend"]', Asked(unclear=True)),
        (b'os.environ.update(KERAS_BACKEND="jax")', Asked(unclear=True)),
        (b"import keras", Asked()),
    ],
)
def test_code_that_sets_a_backend_is_understood(text: bytes, asked: Asked) -> None:
    assert backend_asked([b"import os\n" + text + b"\nimport keras\n"]) == asked


def test_the_module_of_the_objective_counts_before_the_rest_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "objectives"
    folder.mkdir()
    (folder / "digits.py").write_text('import os\nos.environ["KERAS_BACKEND"] = "jax"\n')
    (folder / "words.py").write_text('import os\nos.environ["KERAS_BACKEND"] = "torch"\n')
    (folder / "plain.py").write_text("import keras\n")

    assert code_asks(tmp_path, "objectives.digits:train").firmly == {"jax"}
    assert code_asks(tmp_path, "hypermodel:objectives.words:Net").firmly == {"torch"}
    assert code_asks(tmp_path, "objectives.plain:train").firmly == {"jax", "torch"}


@pytest.mark.parametrize(
    ("spec", "asked", "default", "found"),
    [
        ("torch", Asked(firmly=frozenset({"jax"})), ENVIRONMENT, ("torch", "spec")),
        (None, Asked(firmly=frozenset({"jax"})), ENVIRONMENT, ("jax", "code")),
        (None, Asked(softly=frozenset({"jax"})), ENVIRONMENT, ("tensorflow", "environment")),
        (None, Asked(softly=frozenset({"jax"})), INSTALLED, ("jax", "code")),
        (None, Asked(firmly=frozenset({"jax", "torch"})), INSTALLED, (None, "code")),
        (None, Asked(unclear=True), INSTALLED, (None, "code")),
        (None, Asked(), INSTALLED, ("tensorflow", "installed")),
    ],
)
def test_the_spec_decides_before_the_code_and_the_code_before_the_worker(
    spec: str | None, asked: Asked, default: BackendChoice, found: tuple[str | None, str]
) -> None:
    chosen = choose(spec, asked, default)

    assert chosen is not None
    assert (chosen.name, chosen.source) == found


def test_a_worker_takes_what_keras_itself_would_take(tmp_path: Path, installed: set[str]) -> None:
    home = {"HOME": str(tmp_path)}
    file = tmp_path / ".keras" / "keras.json"
    file.parent.mkdir()

    assert choose_default(home) == BackendChoice(name="tensorflow", source="installed")
    file.write_text(json.dumps({"backend": "jax"}))
    assert choose_default(home) == BackendChoice(name="jax", source="keras.json")
    assert choose_default(home | {"KERAS_BACKEND": "torch"}) == BackendChoice(
        name="torch", source="environment"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "keras.json").write_text(json.dumps({"backend": "torch"}))
    other = choose_default(home | {"KERAS_HOME": str(elsewhere)})
    assert other == BackendChoice(name="torch", source="keras.json")
    installed.discard("keras")
    assert choose_default(home) is None


@pytest.mark.parametrize("content", ["[" * 100_000, "[]", "{}", '{"backend": 7}', "", "\xff"])
def test_a_keras_json_that_says_nothing_leaves_what_is_installed(
    tmp_path: Path, installed: set[str], content: str
) -> None:
    (tmp_path / "keras.json").write_bytes(content.encode("latin-1"))

    chosen = choose_default({"KERAS_HOME": str(tmp_path)})

    assert chosen == BackendChoice(name="tensorflow", source="installed")


def test_the_tensorflow_that_keras_writes_into_its_file_is_nobodys_wish(
    tmp_path: Path, installed: set[str]
) -> None:
    installed.discard("tensorflow")
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "tensorflow"}))

    assert choose_default({"KERAS_HOME": str(tmp_path)}) == BackendChoice(
        name="jax", source="installed"
    )


def test_a_backend_that_is_missing_says_what_to_install(installed: set[str]) -> None:
    missing = problem(BackendChoice(name="torch", source="spec"))
    unknown = problem(BackendChoice(name="mxnet", source="environment"))

    assert missing is not None
    assert missing.startswith("trial.backend of the spec is 'torch', which is not installed")
    assert missing.endswith("pip install torch")
    assert unknown == (
        "KERAS_BACKEND in the worker's environment is 'mxnet': no backend of Keras; "
        "it is one of tensorflow, jax, torch"
    )
    assert problem(BackendChoice(name="jax", source="code")) is None
    assert problem(BackendChoice(name=None, source="code")) is None


def test_only_what_the_study_itself_asks_for_must_be_there(
    installed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "")
    for source in ("spec", "code"):
        with pytest.raises(BackendError, match="torch"):
            prepare(
                BackendChoice.from_json({"name": "torch", "source": source}),
                kind="cpu",
                preimport=False,
            )
    # A study without Keras runs in a worker whose environment names what is not there.
    prepare(BackendChoice(name="torch", source="environment"), kind="cpu", preimport=False)


def test_a_trial_of_another_backend_gets_a_fresh_interpreter(tmp_path: Path) -> None:
    (tmp_path / "objectives").mkdir()
    (tmp_path / "objectives" / "digits.py").write_text(
        'import os\nos.environ["KERAS_BACKEND"] = "jax"\n'
    )
    selection = BackendSelection({"KERAS_BACKEND": "tensorflow", "HOME": str(tmp_path)})
    own = selection.choose(assignment(), tmp_path)
    plain = selection.choose(assignment(), None)
    by_spec = selection.choose(assignment(backend="torch"), tmp_path)

    # Nothing is imported: whatever the trial wants, a fork can still import it.
    nothing = Imported(backend=None, facts={})
    assert all(nothing.suits(wanted) for wanted in (own, plain, by_spec, None))
    imported = Imported(backend="tensorflow", facts={})
    unclear = BackendChoice(name=None, source="code")
    assert [imported.suits(wanted) for wanted in (own, plain, by_spec, None, unclear)] == [
        *(False, True, False, True, False)
    ]


def test_no_backend_of_a_worker_is_an_error_of_its_environment(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {"KERAS_BACKEND": "nothing-there", "HOME": str(tmp_path)}

    backend = preimport("keras", environ)

    if choices.is_installed("keras"):
        assert "nothing-there" in caplog.records[-1].__dict__["reason"]
    assert backend is None
    assert environ["KERAS_BACKEND"] == "nothing-there"


def test_what_a_backend_has_started_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("torch", "jax._src.xla_bridge", "tensorflow.python.eager.context")
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert started() == ""

    stand_ins = (
        SimpleNamespace(cuda=SimpleNamespace(is_initialized=lambda: True)),
        SimpleNamespace(backends_are_initialized=lambda: True),
        SimpleNamespace(_context=SimpleNamespace(_initialized=True)),
    )
    for name, stand_in in zip(names, stand_ins, strict=True):
        monkeypatch.setitem(sys.modules, name, stand_in)
        assert started() != "", name
        # A release that has other names says nothing.
        monkeypatch.setitem(sys.modules, name, SimpleNamespace())
        assert started() == "", name


def test_device_settings_are_defaults_that_a_user_may_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugins: set[str] = set()
    monkeypatch.setattr(devices, "is_installed", plugins.__contains__)

    def taken(kind: Any, backend: str | None, **environ: str) -> dict[str, str]:
        take_device(kind, environ, backend)
        return environ

    memory = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    assert taken("gpu", "tensorflow") == memory
    assert taken("gpu", "jax") == memory | {"JAX_PLATFORMS": "cuda,cpu"}
    assert taken("gpu", None, TF_FORCE_GPU_ALLOW_GROWTH="false") == {
        **memory,
        "TF_FORCE_GPU_ALLOW_GROWTH": "false",
    }
    assert taken("cpu", "jax") == {}
    plugins.add("jax_cuda13_plugin")
    assert taken("gpu", "torch") == memory | {"JAX_PLATFORMS": "cuda,cpu"}
    assert taken("cpu", "jax") == {"JAX_PLATFORMS": "cpu"}
    assert taken("cpu", "jax", JAX_PLATFORMS="tpu") == {"JAX_PLATFORMS": "tpu"}


def test_code_that_comes_too_late_with_its_backend_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keras = SimpleNamespace(config=SimpleNamespace(backend=lambda: "tensorflow"))
    monkeypatch.setitem(sys.modules, "keras", keras)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    say_if_overruled()
    assert capsys.readouterr().err == ""

    monkeypatch.setenv("KERAS_BACKEND", "jax")
    say_if_overruled()
    assert "trial: {backend: jax}" in capsys.readouterr().err


def test_choosing_a_backend_imports_none() -> None:
    code = (
        "import sys; from workers.backends.selection import BackendSelection\n"
        "BackendSelection({})\n"
        "print([n for n in ('keras', 'tensorflow', 'jax', 'torch') if n in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
