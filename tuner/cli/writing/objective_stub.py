"""An objective to fill in: what it receives, and what it has to return."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.cli.writing.ready import ReadyParameter, ReadySpace

_HEAD = '''\
"""The objective of this study: put your training where it raises."""

from __future__ import annotations

from workers import Run


def train(run: Run) -> float:
    """Train one configuration and return its score, which the spec names in `metric`."""
'''
_TAIL = """
    # With Keras: model.fit(..., callbacks=[run.keras_callback()]). Else, after each epoch:
    # run.report(epoch, score), from epoch 1 on; it is how hopeless trials are stopped early.
    raise NotImplementedError("objectives.py: put your training into train()")
"""


#: Maximum length of a line.
_WIDTH = 100


def objective_stub(space: ReadySpace) -> str:
    """Return the module: a `train` that reads every parameter of the space, and then raises."""
    lines = [line for parameter in space.parameters for line in _read(parameter)]
    return f"{_HEAD}{chr(10).join(lines)}\n{_TAIL}"


def _read(parameter: ReadyParameter) -> list[str]:
    """Return the lines that read a parameter; one with a condition may be absent."""
    # For example `sgd_learning_rate` for `train.sgd.learning_rate`.
    variable = parameter.name.partition(".")[2].replace(".", "_").replace("-", "_")
    when = parameter.definition.get("when")
    if when is None:
        return [f'    {variable} = run.params["{parameter.name}"]']
    conditions = ", ".join(f"{parent} is {_any_of(values)}" for parent, values in when.items())
    read = f'    {variable} = run.params.get("{parameter.name}")'
    line = f"{read}  # where {conditions}"
    return [line] if len(line) <= _WIDTH else [f"    # Where {conditions}:", read]


def _any_of(values: Sequence[object]) -> str:
    """Return `a, b or c`."""
    *most, last = [str(v).lower() if isinstance(v, bool) else str(v) for v in values]
    return f"{', '.join(most)} or {last}" if most else last
