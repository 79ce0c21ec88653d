"""What must fit together in a spec, in addition to each value by itself."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Sequence

from tuner.runtime.system import pip_install
from tuner.space import Params, Path, Problems, SearchSpace
from tuner.space.value import show
from tuner.spec.parts import Budget, Metric, Pruner, Sampler

_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_MAX_PARAMETER = 100
_PARAMETER_RULE = (
    "words of letters, digits and _ joined by dots, as train.batch_size, "
    f"at most {_MAX_PARAMETER} characters"
)
#: Maximum number of configurations to try when checking whether `forbid` leaves any.
_MAX_TRIED = 5_000


def check_parameter_names(names: Iterable[str], problems: Problems) -> None:
    """Report parameter names that are not dotted words."""
    for name in names:
        if len(name) > _MAX_PARAMETER or not _PARAMETER.fullmatch(name):
            problems.key(("search_space", name), "parameter name", _PARAMETER_RULE)


def check_space(space: SearchSpace, problems: Problems) -> None:
    """Report parameters that can never be active, and a space in which everything is forbidden."""
    for name in space.unreachable:
        needs = space.needs(space[name])
        problems.key(
            ("search_space", name, "when"), "never holds", f"{needs}, which exclude each other"
        )
    size = space.cardinality()
    if not space.forbid or size is None or size > _MAX_TRIED:
        return
    if next(space.configurations(), None) is None:
        allowed = f"at least one of the {size} configurations has to stay allowed"
        problems.wrong(("forbid",), [dict(clause) for clause in space.forbid], allowed)


def check_start(
    space: SearchSpace, entry: Params, earlier: Sequence[Params], path: Path, problems: Problems
) -> None:
    """Report an entry of `start_with` that no configuration can have, or that is a duplicate."""
    filled = space.complete_fixed(entry)
    for name in entry:
        if not space.is_active(space[name], filled):
            allowed = f"{space.needs(space[name])} in the same entry"
            problems.wrong((*path, name), entry[name], allowed)
    if space.is_forbidden(filled):
        problems.wrong(path, entry, "a combination that forbid does not exclude")
    if entry in earlier:
        problems.wrong(path, entry, f"an entry unlike start_with[{list(earlier).index(entry)}]")


def check_budget(budget: Budget, metrics: tuple[Metric, ...] | None, problems: Problems) -> None:
    """Report limits that need a single metric. Metrics that are None were reported already."""
    if metrics is not None and len(metrics) > 1:
        for name in ("target", "patience"):
            value = getattr(budget, name)
            if value is not None:
                problems.wrong(("budget", name), value, "only with one metric; there are several")


def check_sampler(sampler: Sampler, space: SearchSpace | None, problems: Problems) -> None:
    """Report a sampler that does not fit the space, or cannot run here."""
    path = ("sampler", "name")
    if sampler.name == "grid" and space is not None and not space.is_finite:
        reason = space.infinite_reason()
        problems.wrong(path, "grid", f"only with a finite space; infinite here: {reason}")
    if sampler.name == "gp" and importlib.util.find_spec("torch") is None:
        allowed = (
            f"needs PyTorch, which is not installed here: {pip_install('torch')}, or take bayesian"
        )
        problems.wrong(path, "gp", allowed)


def check_pruner(pruner: Pruner, metrics: tuple[Metric, ...] | None, problems: Problems) -> None:
    """Report a pruner that does not fit the metrics, and options that exclude each other."""
    if metrics is not None and len(metrics) > 1 and pruner.name != "none":
        problems.wrong(("pruner", "name"), pruner.name, 'only "none" with several metrics')
    low, high = pruner.min_resource, pruner.max_resource
    if isinstance(low, int) and high is not None and high <= low:
        allowed = f"a whole number above min_resource ({show(low)})"
        problems.wrong(("pruner", "max_resource"), high, allowed)
    # A trial is stopped only if its chance of being on top is at most half of the base rate; a
    # lower confidence would stop trials about which nothing is known.
    least = 1.0 - (0.5 if pruner.top is None else pruner.top) / 2.0
    if pruner.confidence is not None and pruner.confidence < least:
        allowed = f"a number from {show(round(least, 4))}, which is 1 - top / 2"
        problems.wrong(("pruner", "confidence"), pruner.confidence, allowed)
