"""Every registry: each name builds what it promises, says what it is, and is known to the spec."""

from __future__ import annotations

import importlib.util
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from tuner.cli.main import main
from tuner.errors import SetupError, UnknownNameError
from tuner.proposals.pruners.making import make_pruner
from tuner.protocol import Cause
from tuner.registry import EXPORTERS, PRUNERS, READERS, SAMPLERS, Registry
from tuner.samplers import SamplerContext, make_sampler
from tuner.spec.parts import Named, Pruner, Sampler
from tuner.trials.causes import POLICIES

DOCS = Path(__file__).resolve().parents[2] / "docs"
HAS_TORCH = importlib.util.find_spec("torch") is not None
#: A value that every option of that name may take.
VALUES = {
    "startup_trials": 3,
    "population": 4,
    "min_resource": 1,
    "max_resource": 9,
    "reduction_factor": 3,
    "warmup_steps": 2,
    "patience": 2,
    "min_delta": 0.1,
    "top": 0.25,
    "confidence": 0.95,
}


class RegistryContract:
    """What holds for every registry. Subclass it and give the four facts."""

    registry: Registry
    #: The section of a spec that names one.
    section: type[Named]
    #: What is built.
    kind: type
    #: Builds the entry called so with these options.
    make: Callable[[str, dict[str, Any]], Any]

    def test_the_default_of_the_spec_is_in_the_table(self) -> None:
        assert self.section().name in self.registry.built_in

    def test_every_option_is_a_key_of_the_section_or_says_its_rule(self) -> None:
        for name, extension in self.registry.built_in.items():
            for key in extension.keys:
                assert key in self.section.model_fields or extension.own[key].allowed, (name, key)

    def test_every_key_of_the_section_is_an_option_of_something(self) -> None:
        taken = {key for one in self.registry.built_in.values() for key in one.keys}

        assert set(self.section.model_fields) - {"name", "seed"} == taken

    def test_every_name_builds(self) -> None:
        for name in self.buildable():
            assert isinstance(type(self).make(name, {}), self.kind), name

    def test_every_name_builds_with_each_of_its_options(self) -> None:
        for name in self.buildable():
            for option in self.registry.built_in[name].keys:
                built = type(self).make(name, {option: VALUES[option]})
                assert isinstance(built, self.kind), (name, option)

    def test_every_entry_says_what_it_is(self) -> None:
        for name in self.buildable():
            assert type(type(self).make(name, {})).__doc__, name

    def test_an_unknown_name_is_refused_with_the_choices(self) -> None:
        with pytest.raises(UnknownNameError) as caught:
            type(self).make("sobol", {})

        assert str(caught.value).startswith(f"unknown {self.registry.noun} 'sobol'; known: ")
        assert all(name in str(caught.value) for name in self.registry.built_in)

    def buildable(self) -> list[str]:
        """The names that can be built on this machine."""
        return [name for name in self.registry.built_in if HAS_TORCH or name != "gp"]


def _sampler(name: str, options: dict[str, Any]) -> BaseSampler:
    return make_sampler(name, SamplerContext(study_seed=1, seed=2, options=options))


class TestSamplers(RegistryContract):
    registry = SAMPLERS
    section = Sampler
    kind = BaseSampler
    make = staticmethod(_sampler)

    @pytest.mark.skipif(HAS_TORCH, reason="torch is installed here, so gp simply builds")
    def test_gp_without_torch_names_what_is_missing(self) -> None:
        with pytest.raises(SetupError, match="sampler gp needs PyTorch"):
            _sampler("gp", {})


class TestPruners(RegistryContract):
    registry = PRUNERS
    section = Pruner
    kind = BasePruner
    make = staticmethod(make_pruner)


def test_every_exporter_stands_in_its_page_as_the_table_says_it() -> None:
    rows = (DOCS / "export.md").read_text().splitlines()

    for name, extension in EXPORTERS.built_in.items():
        assert any(row.startswith(f"| `{name}` | {extension.says}") for row in rows), name
    named = [row for row in rows if row.startswith("| `")]
    assert len(named) == len(EXPORTERS.built_in)


def test_every_reader_stands_in_its_page_and_in_the_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = (DOCS / "convert.md").read_text().splitlines()
    with pytest.raises(SystemExit):
        main(["convert", "--help"])
    page = " ".join(capsys.readouterr().out.split())

    for name, extension in READERS.built_in.items():
        tool = extension.says.partition(" (")[0]
        assert any(row.replace("`", "").startswith(f"| {tool}") for row in rows), name
        assert extension.says in page, name


def test_the_help_of_export_names_every_exporter(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    page = capsys.readouterr().out

    assert f"{', '.join(EXPORTERS.built_in)}, or what" in " ".join(page.split())


def test_every_cause_of_failure_has_a_policy() -> None:
    assert set(POLICIES) == set(typing.get_args(Cause))
