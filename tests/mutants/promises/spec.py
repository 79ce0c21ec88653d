"""The spec: what is the same study, and what a wrong spec is told."""

from tests.mutants.mutant import Mutant

_IDENTITY = ("tests/unit/test_spec_identity.py",)
_YAML = ("tests/unit/test_spec_yaml.py",)
_CORPUS = ("tests/unit/test_spec_corpus.py",)

MUTANTS = (
    Mutant(
        name="other-data-same-study",
        promise="Results on other data belong to another study.",
        file="tuner/spec/identity.py",
        old='"data_fingerprint": data_fingerprint}',
        new='"data_fingerprint": None}',
        tests=_IDENTITY,
    ),
    Mutant(
        name="other-metric-same-study",
        promise="A study's metric cannot be changed.",
        file="tuner/spec/identity.py",
        old='"trial"})',
        new='"trial", "metric"})',
        tests=_IDENTITY,
    ),
    Mutant(
        name="budget-is-identity",
        promise="A study may be given a larger budget.",
        file="tuner/spec/identity.py",
        old='frozenset({"budget", ',
        new="frozenset({",
        tests=_IDENTITY,
    ),
    Mutant(
        name="no-is-false",
        promise="`no` is a word in a spec, as in YAML 1.2.",
        file="tuner/spec/reading/yaml12.py",
        old="true|True|TRUE|false|False|FALSE",
        new="true|True|TRUE|false|False|FALSE|no",
        tests=_YAML,
    ),
    Mutant(
        name="key-twice",
        promise="A key that stands twice in a spec is refused with both places.",
        file="tuner/spec/reading/yaml12.py",
        old="if key in container:",
        new="if key is container:",
        tests=(*_YAML, *_CORPUS),
    ),
    Mutant(
        name="error-at-another-line",
        promise="An error in a spec names its line.",
        file="tuner/spec/reading/yaml12.py",
        old="line=start.line + 1",
        new="line=start.line",
        tests=(*_YAML, *_CORPUS),
    ),
    Mutant(
        name="misspelt-key-without-advice",
        promise="A misspelt key in a spec is told with the key that was meant.",
        file="tuner/space/problem.py",
        old='if near else ""',
        new='if not near else ""',
        tests=_CORPUS,
    ),
    Mutant(
        name="first-problem-only",
        promise="All problems of a spec are told at once.",
        file="tuner/space/problem.py",
        old="return self._count <= self._listed",
        new="return self._count <= 1",
        tests=_CORPUS,
    ),
    Mutant(
        name="grid-of-an-infinite-space",
        promise="A grid over an infinite space is refused before anything runs.",
        file="tuner/spec/reading/checks.py",
        old="not space.is_finite",
        new="space is None",
        tests=_CORPUS,
    ),
)
