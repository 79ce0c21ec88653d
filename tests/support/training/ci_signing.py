"""A team whose pipeline has signed an image."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.training.ci_lab import Team

DIGEST = "ab" * 32

IMAGE = f"registry.example:5000/team/digits@sha256:{DIGEST}"

OTHER = f"registry.example/team/digits@sha256:{'cd' * 32}"

SPEC = """\
# what we tune
project: vision   # the team's
study: digits
{image}objective: objectives:train
metric: {{name: accuracy, goal: maximize}}
search_space:
  x: {{type: float, low: 0.0, high: 1.0}}   # image: not this one
budget: {{trials: 3}}
"""


def signed(team: Team, **environ: str) -> None:
    """Have the team's pipeline sign an image and bring the pin as a change."""
    key = team.make_key()
    team.write(studies__digits_yaml=SPEC.format(image=""), signers=team.signers(key))
    revision = team.commit()
    team.environ |= {
        "PIPELINE_SPEC": "studies/digits.yaml",
        "PIPELINE_PINS": "studies/digits.yaml image\n",
        "PIPELINE_SIGNERS": "signers",
        "PIPELINE_SIGNING_KEY_FILE": str(key),
        **environ,
    }
    team.leave(image=f"{IMAGE}\n", revision=f"{revision}\n")
    (team.out / "sbom.cdx.json").write_text('{"bomFormat": "CycloneDX"}\n')
    team.step("sign")
    team.step("pin")


def recorder(team: Team, **programs: str) -> tuple[dict[str, str], Path]:
    """Put programs in front of the PATH that write down how they were called.

    Args:
        team: whose steps call them.
        programs: what each does then, as shell; "" hands over to the real one.

    Returns:
        the environment that has them, and the file that they write.
    """
    folder = team.folder / "bin"
    folder.mkdir()
    seen = team.folder / "seen"
    seen.touch()
    for name, does in programs.items():
        program = folder / name
        rest = does or f'PATH=${{PATH#*:}} exec {name} "$@"'
        program.write_text(f'#!/bin/sh\necho {name} "$@" >>{seen}\n{rest}\n')
        program.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}, seen
