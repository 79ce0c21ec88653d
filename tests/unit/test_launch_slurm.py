"""The script that `tuner launch slurm` writes, and how it goes to Slurm."""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support.launch_plan import make_sbatch, plan
from tuner.errors import SpecError, UnavailableError
from tuner.launch import slurm as slurm_desk
from tuner.launch.container import parse_image
from tuner.launch.slurm_script import SlurmAsk, write_script

DIGEST = "sha256:" + "4d" * 32


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
