"""`tuner launch`: what it refuses before anything runs, and what it leaves to whoever asked."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import Cli
from tests.support.launch_plan import make_sbatch
from tuner.errors import SpecError
from tuner.launch import words
from tuner.roots import read_mark


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("tuner_secret\n")
    return path


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that names a server on another machine."""
    monkeypatch.setenv("TUNER_API_URL", "https://tuner.example")


@pytest.mark.parametrize(
    ("call", "value"),
    [
        (words.check_name, "Big"),
        (words.check_name, "a" * 33),
        (words.check_name, "a b"),
        (words.parse_time, "soon"),
        (words.parse_time, "0s"),
        (words.parse_idle, "-3"),
        (words.parse_idle, "31d"),
        (words.parse_memory, "0G"),
        (words.parse_memory, "16 apples"),
        (words.parse_gpus, "9"),
        (words.parse_gpus, "a100"),
        (words.parse_gpus, "a 100:1"),
        (lambda value: words.check_word("--partition", value), "gpu\n#SBATCH --uid=0"),
        (lambda value: words.check_word("--partition", value), "--wrap=x"),
        (lambda value: words.check_directives([value]), "constraint=a100"),
        (lambda value: words.check_directives([value]), "--constraint=a\nrm -rf ~"),
        (lambda value: words.check_directives([value]), "--array=0-9"),
        (lambda value: words.check_directives([value]), "--export=ALL"),
        (lambda value: words.check_directives([value]), "-o x"),
        (lambda value: words.parse_resources([value]), "gpu_kind"),
        (lambda value: words.parse_resources([value]), "kind=nan"),
        (lambda value: words.pick_exports([value], {"A": "1"}), "B"),
        (lambda value: words.pick_exports([value], {"A=1": "1"}), "A=1"),
        (lambda value: words.pick_exports([value], {"TUNER_TOKEN": "s"}), "TUNER_TOKEN"),
    ],
)
def test_a_wrong_word_is_refused_in_one_line_that_holds_it(
    call: Callable[[str], object], value: str
) -> None:
    with pytest.raises(SpecError) as refused:
        call(value)

    assert len(str(refused.value).splitlines()) == 1
    assert value[:20] in str(refused.value) or repr(value)[1:15] in str(refused.value)


def test_times_sizes_and_gpus_are_taken_as_people_write_them() -> None:
    taken = [words.parse_time(text) for text in ("30", "4:00:00", "1-12", "90m", "4h", "2d")]

    assert taken == ["30", "4:00:00", "1-12", "90", "240", "2880"]
    assert [words.parse_memory(text) for text in ("512", "16G")] == [512 << 20, 16 << 30]
    assert [words.parse_gpus(text) for text in ("0", "a100:8")] == [(None, 0), ("a100", 8)]
    assert [words.parse_idle(text) for text in ("none", "30m")] == [None, 1800.0]


def test_without_sbatch_the_first_command_says_where_to_type_it(
    cli: Cli, token: Path, elsewhere: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out, err = cli("launch", "slurm", "--workers", "2", "--token-file", str(token))

    assert (code, out) == (2, "")
    assert err.startswith("tuner: there is no sbatch on the PATH")
    assert not (tmp_path / "home").exists()


def test_without_ray_the_first_command_says_how_to_name_one(
    cli: Cli, token: Path, elsewhere: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    common = ("launch", "ray", "--workers", "2", "--token-file", str(token))

    assert "--ray-python" in cli(*common)[2]
    assert "is not a program" in cli(*common, "--ray-python", str(tmp_path))[2]


@pytest.mark.parametrize("target", ["slurm", "ray"])
@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:1"]
)
def test_a_server_that_no_node_could_reach_is_refused_with_what_to_do(
    cli: Cli, token: Path, monkeypatch: pytest.MonkeyPatch, target: str, url: str
) -> None:
    monkeypatch.setenv("TUNER_API_URL", f"https://tuner.example,{url}")
    args = ("launch", target, "--workers", "2", "--token-file", str(token), "--dry-run")
    code, out, err = cli(*args)

    assert (code, out) == (2, "")
    assert url in err
    assert "--host 0.0.0.0" in err
    assert cli(*args, "--one-host")[0] == 0


@pytest.mark.parametrize("target", ["slurm", "ray"])
def test_a_launch_needs_a_server_and_a_token_in_a_file(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, target: str, tmp_path: Path
) -> None:
    args = ("launch", target, "--workers", "2", "--dry-run")

    assert "no server is named" in cli(*args)[2]
    monkeypatch.setenv("TUNER_API_URL", "https://tuner.example")
    assert "no file is named" in cli(*args)[2]
    monkeypatch.setenv("TUNER_TOKEN", "tuner_secret")
    said = cli(*args)[2]
    assert "TUNER_TOKEN is not a file" in said
    assert "tuner_secret" not in said
    assert "cannot be read" in cli(*args, "--token-file", str(tmp_path / "none"))[2]


@pytest.mark.parametrize("count", ["0", "1025", "two"])
@pytest.mark.parametrize("target", ["slurm", "ray"])
def test_a_number_out_of_bounds_is_refused(cli: Cli, target: str, count: str) -> None:
    code, _, err = cli("launch", target, "--workers", count)

    assert code == 2
    assert "--workers" in err


@pytest.mark.parametrize("target", ["slurm", "ray"])
def test_a_dry_run_prints_the_script_and_makes_nothing(
    cli: Cli, token: Path, elsewhere: None, tmp_path: Path, target: str
) -> None:
    args = ("launch", target, "--workers", "3", "--token-file", str(token))
    code, out, _ = cli(*args, "--dry-run")

    assert code == 0
    assert "https://tuner.example" in out
    assert str(token) in out
    assert "tuner_secret" not in out
    assert not (tmp_path / "home").exists()
    compile(out, "script", "exec") if target == "ray" else subprocess.run(
        ["sh", "-n"], input=out, text=True, check=True
    )


def test_a_script_is_written_for_its_owner_and_replaces_nothing(
    cli: Cli, token: Path, elsewhere: None, tmp_path: Path
) -> None:
    path = tmp_path / "workers.sbatch"
    args = ("launch", "slurm", "--workers", "3", "--token-file", str(token), "-o", str(path))

    code, out, _ = cli(*args)
    assert code == 0
    assert f"sbatch {path}" in out
    assert path.stat().st_mode & 0o777 == 0o700
    written = path.read_text()
    assert re.search(rf"TUNER_LOG_ROOT_MARK={read_mark(tmp_path / 'home' / 'logs')}\n", written)
    code, _, err = cli(*args)
    assert (code, path.read_text()) == (2, written)
    assert "already exists" in err


@pytest.mark.parametrize("name", ["LOG_ROOT", "CHECKPOINT_ROOT"])
def test_a_root_that_cannot_be_made_is_said_before_anything_is_written(
    cli: Cli,
    token: Path,
    elsewhere: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
) -> None:
    # Nobody can make a folder there, not even root.
    monkeypatch.setenv(f"TUNER_{name}", "/proc/none/root")
    script = tmp_path / "workers.sbatch"
    code, _, err = cli(
        "launch", "slurm", "--workers", "1", "--token-file", str(token), "-o", str(script)
    )

    assert code == 2
    assert f"TUNER_{name}=/proc/none/root: cannot be used here" in err
    assert not script.exists()


def test_a_server_that_is_away_is_said_before_anything_is_submitted(
    cli: Cli, token: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", make_sbatch(tmp_path, out="1\n")["PATH"])
    monkeypatch.setenv("TUNER_API_URL", "http://127.0.0.1:1")
    args = ("--workers", "1", "--token-file", str(token), "--one-host")
    code, _, err = cli("launch", "slurm", *args)

    assert code == 1
    assert "http://127.0.0.1:1: the Tuner server does not answer" in err
    assert not (tmp_path / "seen").exists()
