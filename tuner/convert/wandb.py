"""A W&B sweep configuration as a spec."""

from __future__ import annotations

from typing import Any

from tuner.convert.commands import Command
from tuner.convert.draft import Draft
from tuner.convert.fields import Fields
from tuner.convert.names import slug
from tuner.convert.samplers import grid
from tuner.convert.wandb_parameters import read_parameters
from tuner.space.value import show

TOOL = "a W&B sweep"
_METHODS = {"random": "random", "bayes": "bayesian"}
#: What W&B takes where `early_terminate.eta` is left out.
_ETA = 3
_ARGUMENTS = {
    "${args}": "--{name}={value}",
    "${args_no_hyphens}": "{name}={value}",
    "${args_no_boolean_flags}": "--{name}={value}",
}
#: Keys that say where and for whom a sweep runs, which a spec does not.
_ELSEWHERE = ("entity", "apiVersion", "kind", "controller", "job", "image_uri")


def is_sweep(data: dict[str, Any]) -> bool:
    """Whether a document is the configuration of a sweep."""
    return "parameters" in data and "method" in data


def read_sweep(sweep: Fields, draft: Draft) -> None:
    """Fill a draft from the configuration of a sweep.

    Raises:
        SpecError: something in it makes no sense.
    """
    draft.values["project"] = slug(sweep.text("project") or "", "imported")
    draft.values["study"] = slug(sweep.text("name") or "", slug(draft.stem, "sweep"))
    about = sweep.text("description")
    if about:
        draft.tell("", about)
    parameters = sweep.fields("parameters")
    if parameters is None:
        raise sweep.wrong("parameters", "a mapping of names to distributions")
    read_parameters(parameters, draft)
    _read_metric(sweep, draft)
    _read_program(sweep, draft)
    _read_method(sweep, draft)
    _read_early(sweep, draft)
    _read_cap(sweep, draft)
    for key in _ELSEWHERE:
        value = sweep.take(key)
        if value is not None and key not in ("apiVersion", "kind"):
            draft.lose("", f"{key}: {show(value)}")
    for key, value in sweep.left().items():
        draft.lose("", f"{key}: {show(value)}")


def _read_metric(sweep: Fields, draft: Draft) -> None:
    metrics = list(sweep.each("metrics"))
    single = sweep.fields("metric")
    if single is None and len(metrics) > 1:
        draft.values["metric"] = []
        for item in metrics:
            one = Draft(draft.tool, "")
            one.measure(item.text("name"), item.word("goal", "maximize", "minimize") or "minimize")
            draft.values["metric"].append(one.values["metric"])
            draft.notes += one.notes
            _lose_rest(item, "metric", draft)
        return
    if single is None:
        draft.measure(None, None)
        return
    goal = single.word("goal", "maximize", "minimize")
    draft.measure(single.text("name"), goal or "minimize")
    target = single.number("target")
    if target is not None:
        draft.values["budget"] = {"target": target}
    _lose_rest(single, "metric", draft)


def _lose_rest(fields: Fields, place: str, draft: Draft) -> None:
    for key, value in fields.left().items():
        draft.lose(place, f"{key}: {show(value)}")


def _read_method(sweep: Fields, draft: Draft) -> None:
    method = sweep.text("method")
    scheduler = sweep.fields("scheduler")
    if method == "grid":
        grid(draft)
    elif method in _METHODS:
        draft.values["sampler"] = {"name": _METHODS[method]}
    elif method == "custom":
        draft.values["sampler"] = {"name": "bayesian"}
        draft.lose("sampler", "method: custom, an optimiser of your own; bayesian stands for it")
    else:
        raise sweep.wrong("method", "one of grid, random, bayes, custom")
    if scheduler is not None:
        for key, value in scheduler.left().items():
            draft.lose("sampler", f"scheduler.{key}: {show(value)}")


def _read_early(sweep: Fields, draft: Draft) -> None:
    """Read Hyperband's brackets: W&B stops runs one by one at rungs, which is ASHA here."""
    early = sweep.fields("early_terminate")
    if early is None:
        return
    kind = early.text("type")
    if kind != "hyperband":
        draft.lose("pruner", f"early_terminate of type {show(kind)}")
        return
    eta = early.number("eta")
    factor = _ETA if eta is None else round(eta)
    if not 2 <= factor <= 100:
        factor = min(max(factor, 2), 100)
    if eta is not None and eta != factor:
        draft.lose("pruner", f"eta: {show(eta)}; a whole number from 2 to 100 stands for it")
    first, last, rungs = early.whole("min_iter"), early.whole("max_iter"), early.whole("s")
    pruner: dict[str, Any] = {"name": "asha"}
    if first is None and last is not None:
        first = max(1, last // factor ** min(rungs or 1, 60))
        draft.tell("pruner", f"the first rung of max_iter: {last}, s: {rungs or 1}")
    elif last is not None:
        draft.lose("pruner", f"max_iter: {last}; trials are judged to their end")
    if first is not None:
        pruner["min_resource"] = min(first, 1_000_000)
    pruner["reduction_factor"] = factor
    if isinstance(draft.values["metric"], list):
        draft.lose("pruner", "early_terminate with several metrics")
        return
    draft.values["pruner"] = pruner
    draft.tell("pruner", "rungs count the reports of a trial, one an epoch, as a rule")
    if early.take("strict") is False:
        draft.lose("pruner", "strict: false; ASHA is strict")
    _lose_rest(early, "pruner", draft)


def _read_cap(sweep: Fields, draft: Draft) -> None:
    cap = sweep.whole("run_cap")
    budget = draft.values.setdefault("budget", {})
    if cap is not None:
        budget["trials"] = cap
    elif not budget:
        draft.cap(None)


def _read_program(sweep: Fields, draft: Draft) -> None:
    program = sweep.text("program")
    macros = sweep.list("command")
    if macros is None and program is None:
        draft.stand_in()
        return
    command = Command(draft)
    given = ["${env}", "${interpreter}", "${program}", "${args}"] if macros is None else macros
    for item in given:
        _add_part(str(item), program, command, draft)
    command.done()


def _add_part(part: str, program: str | None, command: Command, draft: Draft) -> None:
    match part:
        case "${env}":
            return  # /usr/bin/env, which finds the interpreter on the PATH, as is done anyway
        case "${interpreter}":
            command.add("python")
        case "${program}":
            command.add(program or "train.py")
            if program is None:
                draft.fill("command", "the program, which the sweep does not name")
        case "${args}" | "${args_no_hyphens}" | "${args_no_boolean_flags}":
            if part == "${args_no_boolean_flags}":
                draft.lose("command", f"{part}: a bool is passed as --name=true or --name=false")
            command.add_each(_ARGUMENTS[part])
        case "${args_json}" | "${args_json_file}":
            command.add_json()
            if part == "${args_json_file}":
                draft.lose("command", f"{part}: the JSON itself is passed in place of its file")
        case _:
            if "${envvar:" in part:
                draft.lose("command", f"{part}: write the variable's value instead")
            command.add(part)
