"""Every registry: each name builds what it promises, says what it is, and is known to the spec."""

from __future__ import annotations

import importlib.util
import typing
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from tuner.coordinator.causes import POLICIES
from tuner.coordinator.pruners import PRUNERS, make_pruner
from tuner.errors import SetupError, UnknownNameError
from tuner.protocol import Cause
from tuner.samplers import SAMPLERS, SamplerContext, make_sampler
from tuner.spec.parts import PRUNER_OPTIONS, SAMPLER_OPTIONS, PrunerName, SamplerName

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
    """What holds for every registry. Subclass it and give the six facts."""

    #: What the registry holds, by name.
    registry: Mapping[str, Any]
    #: The names that a spec may give.
    spec_names: tuple[str, ...]
    #: The options that a spec may give, by name.
    options: Mapping[str, tuple[str, ...]]
    #: What is built.
    kind: type
    #: What an error calls it.
    noun: str
    #: Builds the entry called so with these options.
    make: Callable[[str, dict[str, Any]], Any]

    def test_the_spec_knows_exactly_the_names_of_the_registry(self) -> None:
        assert set(self.spec_names) == set(self.registry) == set(self.options)

    def test_every_name_builds(self) -> None:
        for name in self.buildable():
            assert isinstance(type(self).make(name, {}), self.kind), name

    def test_every_name_builds_with_each_of_its_options(self) -> None:
        for name in self.buildable():
            for option in self.options[name]:
                built = type(self).make(name, {option: VALUES[option]})
                assert isinstance(built, self.kind), (name, option)

    def test_every_entry_says_what_it_is(self) -> None:
        for name in self.buildable():
            assert type(type(self).make(name, {})).__doc__, name

    def test_an_unknown_name_is_refused_with_the_choices(self) -> None:
        with pytest.raises(UnknownNameError) as caught:
            type(self).make("sobol", {})

        assert str(caught.value).startswith(f"unknown {self.noun} 'sobol'; known: ")
        assert all(name in str(caught.value) for name in self.registry)

    def buildable(self) -> list[str]:
        """The names that can be built on this machine."""
        return [name for name in self.registry if HAS_TORCH or name != "gp"]


def _sampler(name: str, options: dict[str, Any]) -> BaseSampler:
    return make_sampler(name, SamplerContext(study_seed=1, seed=2, options=options))


class TestSamplers(RegistryContract):
    registry = SAMPLERS
    spec_names = typing.get_args(SamplerName)
    options = SAMPLER_OPTIONS
    kind = BaseSampler
    noun = "sampler"
    make = staticmethod(_sampler)

    @pytest.mark.skipif(HAS_TORCH, reason="torch is installed here, so gp simply builds")
    def test_gp_without_torch_names_what_is_missing(self) -> None:
        with pytest.raises(SetupError, match="sampler gp needs PyTorch"):
            _sampler("gp", {})


class TestPruners(RegistryContract):
    registry = PRUNERS
    spec_names = typing.get_args(PrunerName)
    options = PRUNER_OPTIONS
    kind = BasePruner
    noun = "pruner"
    make = staticmethod(make_pruner)


def test_every_cause_of_failure_has_a_policy() -> None:
    assert set(POLICIES) == set(typing.get_args(Cause))
