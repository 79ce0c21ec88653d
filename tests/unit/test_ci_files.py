"""What docker/ci/github and docker/ci/gitlab do: they call steps that are tested, nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.acceptance.environments import ROOT, Environment

CI = ROOT / "docker" / "ci"
GITHUB = sorted((CI / "github").glob("*.yml"))
GITLAB = sorted((CI / "gitlab").glob("*.yml"))
STEPS = {path.stem for path in (CI / "steps").glob("*.sh")} - {"lib"}
#: The one line that a job of either platform may run.
_STEP = re.compile(r"sh docker/ci/steps/([a-z]+)\.sh")
_FETCH = 'git fetch --quiet origin "+refs/heads/$PIPELINE_BASE:refs/remotes/origin/$PIPELINE_BASE"'
#: GitLab's words that are no job.
_NO_JOB = {"stages", "spec", "include", "default", "variables", "workflow"}

Document = dict[str, Any]


def load(path: Path) -> list[Document]:
    return [dict(document) for document in YAML(typ="safe").load_all(path)]


def github_jobs() -> Iterator[tuple[Path, str, Document]]:
    for path in GITHUB:
        for name, job in load(path)[0]["jobs"].items():
            yield path, name, job


def gitlab_jobs() -> Iterator[tuple[Path, str, Document]]:
    for path in GITLAB:
        for name, job in load(path)[-1].items():
            if name not in _NO_JOB:
                yield path, name, job


def commands(job: Document) -> list[str]:
    """Return the commands of a job of either platform."""
    steps = [step["run"] for step in job.get("steps", []) if "run" in step]
    return [*steps, *job.get("script", [])]


JOBS = [*github_jobs(), *gitlab_jobs()]
IDS = [f"{path.parent.name}-{path.stem}-{name}" for path, name, _ in JOBS]


def test_both_platforms_run_the_same_steps_and_all_of_them() -> None:
    def run(jobs: Iterator[tuple[Path, str, Document]]) -> list[str]:
        return [_STEP.fullmatch(c)[1] for *_, job in jobs for c in commands(job) if c != _FETCH]  # type: ignore[index]

    assert run(github_jobs()) == run(gitlab_jobs())
    # The step submit calls it.
    assert set(run(github_jobs())) == STEPS - {"verify"}


@pytest.mark.parametrize(("path", "name", "job"), JOBS, ids=IDS)
def test_a_job_runs_steps_and_no_command_of_its_own(path: Path, name: str, job: Document) -> None:
    for command in commands(job):
        found = _STEP.fullmatch(command)
        assert command == _FETCH or (found and found[1] in STEPS), f"{path.name}, {name}: {command}"


def test_every_action_is_the_commit_that_the_list_of_pins_names() -> None:
    pins = tomllib.loads((ROOT / "docker" / "pins.toml").read_text())["actions"]
    for path in GITHUB:
        for line in path.read_text().splitlines():
            if "uses:" not in line:
                continue
            found = re.fullmatch(r"\s*(?:- )?uses: ([\w./-]+)@([0-9a-f]{40}) # (v[\d.]+)", line)
            assert found, f"{path.name}: {line.strip()}: an action by commit, with its version"
            assert pins[found[1]] == f"{found[2]} # {found[3]}", path.name


def test_each_job_of_github_has_the_rights_that_it_needs_and_no_others() -> None:
    expected = {
        "images-test": {"contents": "read"},
        "images-publish": {"contents": "read", "packages": "write", "id-token": "write"},
        "images-change": {"contents": "write", "pull-requests": "write"},
        "study-study": {"contents": "read", "packages": "read"},
    }

    assert {f"{p.stem}-{n}": job["permissions"] for p, n, job in github_jobs()} == expected
    for path in GITHUB:
        assert load(path)[0]["permissions"] == {}, "nothing where a job does not say it"
    for *_, job in github_jobs():
        assert job["timeout-minutes"] <= 360
        assert not job["runs-on"].endswith("latest")


def test_a_secret_goes_to_the_step_that_needs_it_and_to_no_command_line() -> None:
    for path, name, job in github_jobs():
        assert "secrets." not in json.dumps(job.get("env", {})), f"{path.name}, {name}"
        for step in job["steps"]:
            for key, value in step.items():
                told = json.dumps(value)
                assert key == "env" or not re.search(r"secrets\.|github\.token", told), step
                # What others wrote (titles, branches) would be run as part of a command.
                assert key != "run" or "${{" not in told, step
    for path in GITLAB:
        for value in re.findall(r"(?:TOKEN|PASSWORD|KEY)\w*: *(\S+)", path.read_text()):
            assert value.startswith(("$CI_", "(", "a")) or value == "", f"{path.name}: {value}"


def test_code_of_strangers_gets_no_token() -> None:
    github = load(CI / "github" / "study.yml")[0]
    assert "pull_request_target" not in github["on"]
    assert "head.repo.full_name == github.repository" in github["jobs"]["study"]["if"]
    assert github["jobs"]["study"]["environment"] == "tuner"
    (rule,) = load(CI / "gitlab" / "study.yml")[1]["study"]["rules"]
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID" in rule["if"]


def test_gitlab_takes_images_by_digest_alone() -> None:
    for path in GITLAB:
        head, body = load(path)
        inputs = head["spec"]["inputs"]
        images = {name for name in inputs if name.endswith("_image")}
        for name in images:
            assert re.fullmatch(inputs[name]["regex"], f"a/b:1@sha256:{'0' * 64}")
            assert not re.fullmatch(inputs[name]["regex"], "a/b:latest")
            assert "default" not in inputs[name]
        named = set(re.findall(r"\$\[\[ inputs\.(\w+) \]\]", json.dumps(body)))
        assert named == inputs.keys()
        used = re.findall(r'"(?:image|name)": "([^"]*(?:/|image)[^"]*)"', json.dumps(body))
        assert all(text.removeprefix("$[[ inputs.").removesuffix(" ]]") in images for text in used)


def test_every_setting_of_a_step_is_explained() -> None:
    explained = (ROOT / "docs" / "ci.md").read_text()
    used = {
        name
        for path in (CI / "steps").glob("*.sh")
        for name in re.findall(r"\b(PIPELINE_[A-Z_]+[A-Z])", path.read_text())
    }
    missing = {name for name in used if name.removesuffix("_FILE") not in explained}

    assert missing == set()
    for path in [*GITHUB, *GITLAB]:
        set_here = set(re.findall(r"\b(PIPELINE_[A-Z_]+[A-Z])", path.read_text()))
        assert set_here <= used, f"{path.name} sets what no step reads"


@pytest.fixture(scope="module")
def tools() -> Path:
    """The programs that look at scripts and at CI files, from the lock of the audit."""
    return Environment("requirements-audit.lock", ROOT).folder / "bin"


@pytest.mark.slow
def test_githubs_files_are_good_to_its_schema_and_to_zizmor(tools: Path) -> None:
    """Zizmor looks for what an attacker looks for: unpinned actions, rights, injected text."""
    lint([*zizmor(tools), *GITHUB])
    lint([tools / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *GITHUB])


@pytest.mark.slow
def test_gitlabs_files_are_good_to_its_schema(tools: Path, tmp_path: Path) -> None:
    # The schema is of the jobs; the inputs stand before them in a document of their own.
    for path in GITLAB:
        body = tmp_path / path.name
        body.write_text(path.read_text().partition("\n---\n")[2])
        lint([tools / "check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", body])


@pytest.mark.slow
def test_the_linters_find_what_is_wrong(tools: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    good = GITHUB[0].read_text()
    wrong.write_text(good.replace("runs-on:", "run-on:"))
    with pytest.raises(AssertionError, match="runs-on"):
        lint([tools / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", wrong])
    wrong.write_text(re.sub(r"@[0-9a-f]{40} # ", "@", good))
    with pytest.raises(AssertionError, match="unpinned-uses"):
        lint([*zizmor(tools), wrong])
    wrong.write_text(good.replace("sh docker/ci/steps/test.sh", "echo ${{ github.head_ref }}"))
    with pytest.raises(AssertionError, match="template-injection"):
        lint([*zizmor(tools), wrong])
    wrong.write_text(GITLAB[0].read_text().partition("\n---\n")[2].replace("script:", "scripts:"))
    with pytest.raises(AssertionError, match="script"):
        lint([tools / "check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", wrong])


@pytest.mark.slow
def test_the_steps_are_good_to_shellcheck(tools: Path) -> None:
    lint([tools / "shellcheck", "--external-sources", *sorted((CI / "steps").glob("*.sh"))])


def zizmor(tools: Path) -> list[Path | str]:
    return [tools / "zizmor", "--offline", "--no-progress", "--persona", "pedantic"]


def lint(command: list[Path | str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
