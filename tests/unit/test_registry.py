"""Samplers and pruners that other packages bring, and what becomes of one that is broken."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from optuna.pruners import BasePruner

from tests.support.toy_packages import installed, uninstalled, write_package
from tuner.errors import SetupError, SpecError, UnknownNameError
from tuner.local.doctor.packages import look_at_packages
from tuner.proposals.in_memory_study import InMemoryStudy
from tuner.proposals.proposing import Proposer
from tuner.proposals.pruners.making import make_pruner
from tuner.registry import PRUNERS, SAMPLERS, Option, Trait, used_packages
from tuner.samplers import SamplerContext, import_sampler, make_sampler
from tuner.server.routes.body_schemas import spec_schema
from tuner.settings import load_settings
from tuner.spec import StudySpec, parse_spec, parse_stored
from tuner.testing import LocalService

CODE = """
import optuna
from tuner.registry import Extension, Option, Trait

def make_middle(context):
    return optuna.samplers.RandomSampler(seed=context.seed)

def make_number(context):
    return 7

class Learner(optuna.samplers.RandomSampler):
    seen = []
    took = []

    def before_trial(self, study, trial):
        for one in study.get_trials(deepcopy=False):
            if "tuner:took" in one.system_attrs:
                self.took.append(one.system_attrs["tuner:took"])

def make_learner(context):
    Learner.seen.append(context)
    return Learner(seed=context.seed)

learner = Extension(make=make_learner, traits=[Trait.LEARNS, Trait.ASKS_DURATIONS])

def make_pruner(options):
    return optuna.pruners.ThresholdPruner(upper=options.get("upper", 1.0))

middle = Extension(
    make=make_middle,
    options=(
        "startup_trials",
        Option(name="width", kind=float, low=0, high=1, says="of the middle"),
        Option(name="rounds", kind=int, low=1),
        Option(name="mode", kind=str, choices=("soft", "hard")),
        Option(name="is_bold", kind=bool),
    ),
)
threshold = Extension(make=make_pruner, options=(Option(name="upper", kind=float),))
text = "no function"
"""
ENTRIES = """
[tuner.samplers]
middle = toy_things:middle
learner = toy_things:learner
number = toy_things:make_number
text = toy_things:text
tpe = toy_things:make_middle
Upper = toy_things:make_middle
gone = toy_gone:make
quits = toy_quits:make
[tuner.pruners]
threshold = toy_things:threshold
"""


@pytest.fixture(scope="module", autouse=True)
def toys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("site")
    modules = {"toy_things": CODE, "toy_quits": "raise SystemExit('no licence\\nhere')\n"}
    write_package(folder, "toy-things", "1.2", modules, ENTRIES)
    write_package(
        folder, "zoo-things", "0.1", {}, "[tuner.samplers]\nmiddle = toy_things:make_number\n"
    )
    with installed(folder):
        yield folder


def spec(**changes: Any) -> dict[str, Any]:
    return {
        "project": "p",
        "study": "s",
        "objective": "toy:train",
        "metric": {"name": "score", "goal": "maximize"},
        "search_space": {"x": {"type": "float", "low": 0.0, "high": 1.0}},
        "budget": {"trials": 4},
        **changes,
    }


def parse(**changes: Any) -> StudySpec:
    return parse_spec(spec(**changes))


def refusal(**changes: Any) -> str:
    with pytest.raises(SpecError) as caught:
        parse(**changes)
    return str(caught.value)


FULL = {"name": "middle", "seed": 7, "startup_trials": 3, "width": 0.5, "rounds": 2}
FULL |= {"mode": "soft", "is_bold": True}


def test_a_packages_sampler_is_named_in_a_spec_with_its_options() -> None:
    found = parse(sampler=FULL).sampler

    assert found.options == {k: v for k, v in FULL.items() if k not in ("name", "seed")}
    assert parse(sampler="middle").sampler.name == "middle"
    assert parse(pruner={"name": "threshold", "upper": 3}).pruner.options == {"upper": 3}


def test_a_spec_with_a_packages_options_is_stored_and_read_as_it_is() -> None:
    given = parse(sampler=FULL, pruner={"name": "threshold", "upper": 0.5})

    assert parse_stored(given.to_json()) == given
    assert parse_spec(given.to_json()) == given
    jsonschema_rs.validate(spec_schema.__wrapped__(), given.to_json())


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("width", 1.5, "1.5: a finite number from 0 to 1: of the middle"),
        ("width", True, "true: a finite number"),
        ("width", float("nan"), "NaN: a finite number"),
        ("width", [1], "[1]: a finite number"),
        ("rounds", 0, "0: a whole number from 1"),
        ("rounds", 2.0, "2.0: a whole number from 1"),
        ("mode", "loud", '"loud": one of "soft", "hard"'),
        ("is_bold", 1, "1: true or false"),
        ("startup_trials", 0, "0: a whole number from 1 to 10000"),
        ("population", 4, "unknown key: known keys: name, seed, startup_trials, width, rounds"),
    ],
)
def test_an_option_out_of_its_bounds_is_refused(option: str, value: Any, allowed: str) -> None:
    text = refusal(sampler={"name": "middle", option: value})

    assert f"sampler.{option}: {allowed}" in text


def test_a_text_has_a_bound_where_no_choices_are_given() -> None:
    option = Option(name="word", kind=str)

    assert option.takes("x" * 200)
    assert not option.takes("x" * 201)
    assert not option.takes("")


def test_a_whole_number_that_json_may_round_is_none() -> None:
    for kind in (int, float):
        assert Option(name="n", kind=kind).takes(2**53)
        assert not Option(name="n", kind=kind).takes(10**400)


def test_a_packages_option_is_unknown_to_others() -> None:
    assert "sampler.width: unknown key" in refusal(sampler={"name": "tpe", "width": 0.5})


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "gone",
            "the sampler 'gone' of toy-things 1.2 cannot be imported: ModuleNotFoundError: "
            "No module named 'toy_gone'",
        ),
        (
            "quits",
            "the sampler 'quits' of toy-things 1.2 cannot be imported: SystemExit: no licence here",
        ),
        ("text", "the sampler 'text' of toy-things 1.2 is a str: give a function or an Extension"),
        (
            "Upper",
            "the sampler 'Upper' of toy-things 1.2 is left out: a name is a small letter, then at "
            "most 31 small letters, digits, - and _",
        ),
    ],
)
def test_a_broken_plugin_is_named_in_one_sentence(name: str, sentence: str) -> None:
    text = refusal(sampler=name)

    assert sentence in text
    assert len(text.splitlines()) == 1
    assert parse(sampler="middle").sampler.name == "middle"


def test_a_name_that_is_taken_stays_with_whoever_has_it() -> None:
    assert make_sampler("tpe", SamplerContext(study_seed=1, seed=2)).__module__.startswith("tuner")
    assert SAMPLERS.package_of("middle") == "toy-things 1.2"
    assert SAMPLERS.package_of("tpe") is None
    problems = SAMPLERS.problems()
    assert (
        "the sampler 'tpe' of toy-things 1.2 is left out: Tuner has a sampler of that name"
        in problems
    )
    assert (
        "the sampler 'middle' of zoo-things 0.1 is left out: toy-things 1.2 has a sampler of that "
        "name" in problems
    )


def test_the_doctor_names_what_packages_bring_and_what_is_wrong_with_it() -> None:
    found = [f for f in look_at_packages(load_settings({})) if f.subject == "plugins"]
    texts = [f"{f.level} {f.text}" for f in found]

    assert any("middle" in text and text.startswith("ok") for text in texts), texts
    assert any("'gone' of toy-things 1.2 cannot be imported" in text for text in texts), texts


def test_a_sampler_has_the_traits_that_its_line_or_its_package_gives_it() -> None:
    assert SAMPLERS.has("bayesian", Trait.LEARNS)
    assert not SAMPLERS.has("tpe", Trait.LEARNS)
    assert SAMPLERS.has("learner", Trait.LEARNS)
    assert not any(SAMPLERS.has(name, Trait.LEARNS) for name in ("middle", "gone", "nobodys"))


def test_a_packages_sampler_that_learns_gets_a_prior_and_durations(tmp_path: Path) -> None:
    earlier = spec(study="earlier", sampler="random", budget={"trials": 30})
    with LocalService(tmp_path) as here:
        here.submit(earlier)
        here.run(lambda held: held.params["x"])
        study = here.submit(spec(study="later", sampler="learner"))
        here.run(lambda held: held.params["x"])
        told = here.verbs.explain(study)
        (learner,) = {type(make_sampler("learner", SamplerContext(study_seed=1, seed=2)))}

    assert told["state"] == "informed", told
    assert any(context.prior is not None for context in learner.seen)
    assert learner.took[0]["seconds"] >= 0
    assert "earlier" in told["sources"][0]["key"]


def test_what_makes_no_sampler_is_named() -> None:
    with pytest.raises(
        SetupError, match=r"'number' of toy-things 1.2 makes no Optuna sampler, but: int"
    ):
        make_sampler("number", SamplerContext(study_seed=1, seed=2))


def test_a_packages_pruner_is_made_with_its_options() -> None:
    assert isinstance(make_pruner("threshold", {"upper": 0.5}), BasePruner)
    assert "threshold" in PRUNERS.names


def test_a_proposal_records_the_package_and_the_version_of_its_sampler() -> None:
    given = parse(sampler="middle", pruner={"name": "threshold"})
    packages = used_packages(given.sampler.name, given.pruner.name)
    proposer = Proposer(given.space, "middle", 7, packages=packages)
    pruner = make_pruner("threshold", {})

    record = proposer.propose(InMemoryStudy("p/s", ["maximize"], pruner)).to_json()

    assert "toy-things 1.2" in record["software"].split(", ")
    assert used_packages("bayesian", "asha") == ()


def test_a_stored_study_is_read_without_its_package_and_says_what_it_lacks(toys: Path) -> None:
    stored = parse(sampler=FULL, pruner={"name": "threshold", "upper": 0.5}).to_json()

    with uninstalled(toys):
        found = parse_stored(stored)
        assert found.to_json() == stored
        with pytest.raises(UnknownNameError, match="unknown sampler 'middle'; known: bayesian"):
            import_sampler(found.sampler.name)
        with pytest.raises(SpecError, match=r'sampler.name: "middle": one of "bayesian"'):
            parse_spec(stored)


def test_a_study_whose_package_is_gone_says_so_and_the_others_go_on(
    toys: Path, tmp_path: Path
) -> None:
    with LocalService(tmp_path) as here:
        alone = here.submit(spec(sampler="middle", study="alone"))
        held = here.claim()
        assert held is not None
        held.complete(0.5)
    with uninstalled(toys), LocalService(tmp_path) as here:
        other = here.submit(spec(study="other"))
        here.run(lambda held: held.params["x"])
        lacking, whole = here.status(alone), here.status(other)
        replayed = here.replay(alone)

    assert whole["counts"]["complete"] == 4
    assert "unknown sampler 'middle'" in lacking["reason"], lacking
    assert lacking["counts"]["complete"] == 1
    assert "it was proposed by tuner" in replayed[0].reason
    assert "toy-things 1.2" in replayed[0].reason


def test_installed_packages_are_asked_only_for_a_name_that_tuner_does_not_know() -> None:
    code = (
        "import importlib.metadata as m, json, sys\n"
        "def never(**_): raise AssertionError('asked')\n"
        "from tuner.spec import parse_spec\n"
        "m.entry_points = never\n"
        "own, other = map(json.loads, sys.argv[1:])\n"
        "parse_spec(own)\n"
        "try: parse_spec(other)\n"
        "except AssertionError: print('only then')\n"
    )
    specs = spec(sampler="tpe", pruner="asha"), spec(sampler="toy")
    done = subprocess.run(
        [sys.executable, "-c", code, *map(json.dumps, specs)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert done.stdout == "only then\n"
