"""What `tuner launch` writes for a scheduler, and what it refuses before anything runs."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuner.cli.main import main
from tuner.errors import SetupError, SpecError, UnavailableError
from tuner.launch import ray as ray_desk
from tuner.launch import slurm as slurm_desk
from tuner.launch import words
from tuner.launch.container import parse_image
from tuner.launch.plan import Plan
from tuner.launch.ray_script import RayAsk
from tuner.launch.ray_script import write_script as ray_script
from tuner.launch.slurm_script import SlurmAsk, write_script
from tuner.roots import mark_root, read_mark
from workers.host.device_sets import resolve_visible
from workers.host.shared_roots import require_shared_roots

Cli = Callable[..., tuple[int, str, str]]
DIGEST = "sha256:" + "4d" * 32
SETTINGS = {
    "TUNER_API_URL": "https://tuner.example",
    "TUNER_TOKEN_FILE": "/shared/it's/token",
    "TUNER_HOME": "/shared/tuner",
    "TUNER_LOG_ROOT": "/shared/logs",
    "TUNER_CHECKPOINT_ROOT": "/shared/checkpoints",
}
#: Has all of sbatch that the tests need; it says what it was given.
SBATCH = """#!{python}
import os, sys
open({folder!r} + "/seen", "w").write(repr((sys.argv[1:], dict(os.environ))))
sys.stderr.write({err!r}); sys.stdout.write({out!r}); sys.exit({code})
"""


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_info:
            main(args)
        said = capsys.readouterr()
        return int(exit_info.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("tuner_secret\n")
    return path


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that names a server on another machine."""
    monkeypatch.setenv("TUNER_API_URL", "https://tuner.example")


def plan(**changes: Any) -> Plan:
    facts = {"name": "tuner", "workers": 4, "settings": SETTINGS, "python": "/shared/bin/python"}
    return Plan(**{**facts, **changes})


def make_sbatch(folder: Path, *, out: str = "", err: str = "", code: int = 0) -> dict[str, str]:
    path = folder / "sbatch"
    text = SBATCH.format(python=sys.executable, folder=str(folder), err=err, out=out, code=code)
    path.write_text(text)
    path.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def options(script: str) -> list[str]:
    return [shlex.split(line)[1] for line in script.splitlines() if line.startswith("#SBATCH ")]


def test_a_slurm_script_is_an_array_of_workers_that_come_back_and_leave_in_time() -> None:
    script = write_script(plan(idle_s=1800.0), SlurmAsk(logs=Path("/shared/100% ours")))

    assert {"--array=0-3", "--requeue", "--signal=B:TERM@60", "--open-mode=append"} < {
        *options(script)
    }
    assert "--output=/shared/100%% ours/tuner-%A_%a.log" in options(script)
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=True).returncode == 0
    last = script.splitlines()[-1]
    assert last.startswith('exec "$python" -P -m workers run --name "tuner-')
    assert "${SLURM_RESTART_COUNT:-0}" in last
    assert last.endswith("--device cpu --idle 1800")


def test_what_is_asked_of_slurm_for_each_worker_stands_in_its_script() -> None:
    ask = SlurmAsk(
        logs=Path("/logs"),
        partition="gpu",
        account="team",
        qos="high",
        time="4:00:00",
        cpus=8,
        gpu_type="a100",
        mem="32G",
        directives=("--constraint=nvlink", "--exclude=n[1-3]"),
    )
    script = write_script(plan(gpus=2, workers=1), ask)

    assert {
        *("--partition=gpu", "--account=team", "--qos=high", "--time=4:00:00", "--mem=32G"),
        *("--cpus-per-task=8", "--gres=gpu:a100:2", "--array=0-0", "--constraint=nvlink"),
        "--exclude=n[1-3]",
    } < {*options(script)}
    assert "--device gpu:visible" in script


def test_the_script_runs_its_worker_with_the_settings_whatever_is_in_them(tmp_path: Path) -> None:
    python = tmp_path / "it's python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@" "$TUNER_TOKEN_FILE" "${TUNER_TOKEN-none}"\n')
    python.chmod(0o755)
    script = write_script(plan(python=str(python)), SlurmAsk(logs=tmp_path))
    environ = {"PATH": os.environ["PATH"], "TUNER_TOKEN": "s", "SLURM_JOB_ID": "13"}
    array = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3", "SLURM_RESTART_COUNT": "2"}

    def run(**more: str) -> list[str]:
        done = subprocess.run(
            ["sh"],
            input=script,
            env={**environ, **more},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()

    assert run(**array)[4:6] == ["--name", "tuner-12-3-2"]
    assert run()[5] == "tuner-13-0-0"
    assert run()[-2:] == ["/shared/it's/token", "none"]


def test_a_node_without_the_python_says_how_to_name_another() -> None:
    script = write_script(plan(python="/nowhere/python"), SlurmAsk(logs=Path("/logs")))
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr.startswith("tuner: ")
    assert "has no /nowhere/python: name the nodes' Python with --python" in done.stderr


def test_an_image_states_its_digest_only_where_it_is_pulled_by_it(tmp_path: Path) -> None:
    sif = tmp_path / "train.sif"
    sif.touch()
    by_digest = parse_image(f"registry.example:5000/team/train:2.1@{DIGEST}")

    assert by_digest.source == f"docker://registry.example:5000/team/train@{DIGEST}"
    assert by_digest.image == f"registry.example:5000/team/train@{DIGEST}"
    assert parse_image(str(sif)).image is None
    script = write_script(
        plan(gpus=1, python="python3"), SlurmAsk(logs=tmp_path, container=by_digest)
    )
    assert "apptainer exec --nv --bind /shared/tuner --bind /shared/logs" in script
    assert f"{by_digest.source} python3 -P -m workers run" in script
    for wrong in ("team/train:2.1", "team/train", "train.sif", f"Team/train@{DIGEST}x", "-"):
        with pytest.raises(SpecError, match="--image"):
            parse_image(wrong)


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


def test_nothing_of_the_shell_goes_to_slurm_but_what_a_job_needs(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.touch()
    environ = make_sbatch(tmp_path, out="4211;main\n")
    secret = {"TUNER_TOKEN": "s", "SBATCH_EXPORT": "ALL", "KEPT": "1"}

    job = slurm_desk.submit(script, {**environ, **secret})

    arguments, seen = ast.literal_eval((tmp_path / "seen").read_text())
    assert job == "4211"
    assert arguments == ["--parsable", str(script)]
    assert {"TUNER_TOKEN", "SBATCH_EXPORT"}.isdisjoint(seen)
    passed = next(
        o for o in options(write_script(plan(), SlurmAsk(logs=tmp_path))) if "export" in o
    )
    assert "ALL" not in passed
    assert "TUNER_TOKEN" not in passed


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (
            "sbatch: error: invalid partition specified: fast\n"
            "sbatch: error: Batch job submission failed: Invalid partition name specified\n",
            SpecError,
            ["invalid partition specified: fast; Batch job", "sinfo"],
        ),
        (
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller "
            "(connect failure)\n",
            UnavailableError,
            ["controller does not answer"],
        ),
        ("", SpecError, ["Slurm does not take the job"]),
    ],
)
def test_what_slurm_says_is_passed_on_in_one_line(
    tmp_path: Path, said: str, kind: type[Exception], words: list[str]
) -> None:
    environ = make_sbatch(tmp_path, err=said, code=1)

    with pytest.raises(kind) as refused:
        slurm_desk.submit(tmp_path / "script", environ)

    assert "\n" not in str(refused.value)
    assert all(word in str(refused.value) for word in words)


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
    assert "is no program" in cli(*common, "--ray-python", str(tmp_path))[2]


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
    assert "TUNER_TOKEN is no file" in said
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
    assert "is there already" in err


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


def test_the_ray_script_needs_nothing_but_ray_and_the_standard_library() -> None:
    script = ray_script(plan(exports={"A": "'\"\\ \u2028"}), RayAsk(address="10.0.0.5:6379"))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(script))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert imported - set(sys.stdlib_module_names) == {"ray"}
    space: dict[str, object] = {"__name__": "script"}
    exec(script, space)  # noqa: S102 - it is ours
    filled = space["PLAN"]
    assert isinstance(filled, dict)
    assert filled["exports"] == {"A": "'\"\\ \u2028"}
    assert filled["settings"] == SETTINGS
    assert (filled["workers"], filled["num_gpus"]) == (4, 0)


def test_the_ray_script_is_understood_by_an_older_python() -> None:
    ast.parse(ray_script(plan(), RayAsk()), feature_version=(3, 9))


def test_the_python_beside_ray_on_the_path_is_taken(tmp_path: Path) -> None:
    for name in ("ray", "python"):
        (tmp_path / name).touch(mode=0o755)

    assert ray_desk.find_python(None, {"PATH": str(tmp_path)}) == tmp_path / "python"


def test_a_worker_tells_its_launchers_roots_from_other_folders_of_that_name(tmp_path: Path) -> None:
    logs, checkpoints = tmp_path / "logs", tmp_path / "checkpoints"
    environ = {
        "TUNER_LOG_ROOT_MARK": mark_root(logs),
        "TUNER_CHECKPOINT_ROOT_MARK": mark_root(checkpoints),
    }

    require_shared_roots(environ, logs, checkpoints)
    assert mark_root(logs) == environ["TUNER_LOG_ROOT_MARK"], "a mark stays"
    require_shared_roots({}, tmp_path / "none", tmp_path / "none")
    for root, said in ((tmp_path / "none", "is missing"), (checkpoints, "has another")):
        with pytest.raises(SetupError, match=said):
            require_shared_roots(environ, root, checkpoints)
    (checkpoints / ".tuner-root").unlink()
    with pytest.raises(SetupError, match=r"has no \.tuner-root"):
        require_shared_roots(environ, logs, checkpoints)
    assert not (tmp_path / "none").exists(), "what is missing is not made"


def test_the_gpus_that_a_scheduler_gives_are_named_by_uuid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.host.device_sets.list_gpus", lambda: ["GPU-a", "GPU-b", "GPU-c"])

    assert resolve_visible("gpu:visible", "2,0") == "gpu:GPU-c,GPU-a"
    assert resolve_visible("gpu:visible", "MIG-7,GPU-b") == "gpu:MIG-7,GPU-b"
    assert resolve_visible("cpu", None) == "cpu"
    for visible, said in ((None, "is not set"), ("", "is ''"), ("-1", "-1"), ("3", "shows 3 GPUs")):
        with pytest.raises(SetupError, match=said):
            resolve_visible("gpu:visible", visible)
