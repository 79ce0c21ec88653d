"""Runs the objectives of the example studies in their shortest form, as one process.

`python -m tests.support.training.example_trainings NAME…` trains two configurations of each example
for one epoch and prints, as JSON, the value that each gave.
"""

from __future__ import annotations

import importlib
import json
import random
import sys

from tuner.cli.checking.checking import draw_number
from tuner.cli.writing.ready import EXAMPLES
from tuner.space import Parameter
from tuner.spec import load_spec
from workers import Run

CONFIGURATIONS = 2


def main(names: list[str]) -> None:
    """Train and print `{name: [value, …]}`."""
    sys.path.insert(0, str(EXAMPLES))
    found = {name: [_train(name, seed) for seed in range(CONFIGURATIONS)] for name in names}
    sys.__stdout__.write(f"\n{json.dumps(found)}\n")


def _train(name: str, seed: int) -> float:
    spec = load_spec(EXAMPLES / f"{name}.yaml").spec
    source = random.Random(seed)
    params = spec.space.walk(lambda parameter: _draw(parameter, source))
    module_name, _, function = spec.objective.partition(":")
    module = importlib.import_module(module_name)
    for length in ("EPOCHS", "ROUNDS"):
        if hasattr(module, length):
            setattr(module, length, 1)
    value: float = getattr(module, function)(Run.local(params))
    return value


def _draw(parameter: Parameter, source: random.Random) -> object:
    if parameter.values:
        return source.choice(parameter.values)
    if parameter.kind == "bool":
        return source.choice([False, True])
    return draw_number(parameter, source)


if __name__ == "__main__":
    main(sys.argv[1:])
