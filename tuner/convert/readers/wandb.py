"""A W&B sweep configuration as a spec."""

from __future__ import annotations

from typing import Any

from tuner.convert.draft import SpecDraft
from tuner.convert.fields import Fields
from tuner.convert.names import slug
from tuner.convert.readers.commands import Command
from tuner.convert.readers.samplers import grid
from tuner.convert.readers.wandb_parameters import read_parameters
from tuner.convert.search_file import SearchFile
from tuner.space.value import show

TOOL = "a W&B sweep"
_METHODS = {"random": "random", "bayes": "bayesian"}
#: W&B's default of `early_terminate.eta`.
_ETA = 3
_ARGUMENTS = {
    "${args}": "--{name}={value}",
    "${args_no_hyphens}": "{name}={value}",
    "${args_no_boolean_flags}": "--{name}={value}",
}
#: Keys that say where and for whom a sweep runs, which a spec does not contain.
_ELSEWHERE = ("entity", "apiVersion", "kind", "controller", "job", "image_uri")


def read(file: SearchFile) -> SpecDraft | None:
    """Return the draft of a sweep; None if the file belongs to another tool.

    Raises:
        SpecError: something in it is invalid.
    """
    if "parameters" not in file.data or "method" not in file.data:
        return None
    draft = file.draft(TOOL)
    sweep = file.fields()
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
    draft.lose_rest(sweep, "")
    return draft


def _read_metric(sweep: Fields, draft: SpecDraft) -> None:
    metrics = list(sweep.each("metrics"))
    single = sweep.fields("metric")
    if single is None and len(metrics) > 1:
        draft.values["metric"] = []
        for item in metrics:
            one = SpecDraft(draft.tool, "")
            one.measure(item.text("name"), item.word("goal", "maximize", "minimize") or "minimize")
            draft.values["metric"].append(one.values["metric"])
            draft.notes += one.notes
            draft.lose_rest(item, "metric")
        return
    if single is None:
        draft.measure(None, None)
        return
    goal = single.word("goal", "maximize", "minimize")
    draft.measure(single.text("name"), goal or "minimize")
    target = single.number("target")
    if target is not None:
        draft.values["budget"] = {"target": target}
    draft.lose_rest(single, "metric")


def _read_method(sweep: Fields, draft: SpecDraft) -> None:
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
        draft.lose_rest(scheduler, "sampler", "scheduler.")


def _read_early(sweep: Fields, draft: SpecDraft) -> None:
    """Read Hyperband's brackets: W&B stops runs one by one at rungs, which is ASHA here."""
    early = sweep.fields("early_terminate")
    if early is None:
        return
    kind = early.text("type")
    if kind != "hyperband" or isinstance(draft.values["metric"], list):
        several = " with several metrics" if kind == "hyperband" else ""
        draft.lose("pruner", f"early_terminate of type {show(kind)}{several}")
        return
    factor = _read_factor(early, draft)
    pruner: dict[str, Any] = {"name": "asha"}
    first = _read_first(early, factor, draft)
    if first is not None:
        pruner["min_resource"] = min(first, 1_000_000)
    draft.values["pruner"] = {**pruner, "reduction_factor": factor}
    draft.tell("pruner", "rungs count the reports of a trial, one an epoch, as a rule")
    if early.take("strict") is False:
        draft.lose("pruner", "strict: false; ASHA is strict")
    draft.lose_rest(early, "pruner")


def _read_factor(early: Fields, draft: SpecDraft) -> int:
    eta = early.number("eta")
    factor = _ETA if eta is None else min(max(int(eta + 0.5), 2), 100)
    if eta is not None and eta != factor:
        draft.lose("pruner", f"eta: {show(eta)}; a whole number from 2 to 100 stands for it")
    return factor


def _read_first(early: Fields, factor: int, draft: SpecDraft) -> int | None:
    """Return the step of the first rung, None if it is not specified."""
    first, last = early.whole("min_iter"), early.whole("max_iter")
    rungs = early.whole("s")
    if first is None and last is not None:
        draft.tell("pruner", f"the first rung of max_iter: {last}, s: {rungs or 1}")
        return max(1, last // int(factor ** min(rungs or 1, 60)))
    if last is not None:
        draft.lose("pruner", f"max_iter: {last}; trials are judged to their end")
    if rungs is not None:
        draft.lose("pruner", f"s: {rungs}")
    return first


def _read_cap(sweep: Fields, draft: SpecDraft) -> None:
    cap = sweep.whole("run_cap")
    budget = draft.values.setdefault("budget", {})
    if cap is not None:
        budget["trials"] = cap
    elif not budget:
        draft.cap(None)


def _read_program(sweep: Fields, draft: SpecDraft) -> None:
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


def _add_part(part: str, program: str | None, command: Command, draft: SpecDraft) -> None:
    if part in _ARGUMENTS:
        if part == "${args_no_boolean_flags}":
            draft.lose("command", f"{part}: a bool is passed as --name=true or --name=false")
        command.add_each(_ARGUMENTS[part])
    elif part == "${args_json}":
        command.add_json()
    elif part == "${args_json_file}":
        command.add_file()
    elif part == "${program}" and program is None:
        draft.fill("command", "the program, which the sweep does not name")
        command.add("train.py")
    elif part != "${env}":  # /usr/bin/env finds a program on the PATH, as is done anyway
        if "${envvar:" in part:
            draft.lose("command", f"{part}: write the variable's value instead")
        words = {"${interpreter}": "python", "${program}": program or ""}
        command.add(words.get(part, part))
