"""Warnings of `tuner check` beyond the spec: this home's history, GPUs, and the trial's time."""

from __future__ import annotations

from tuner.cli.render.output import duration
from tuner.documents.document import JsonObject
from tuner.errors import NotFoundError, TunerError
from tuner.local import open_history
from tuner.local.fleets.devices import count_gpus
from tuner.settings import Settings
from tuner.space.problem import did_you_mean
from tuner.spec import StudySpec


def advise_history(spec: StudySpec, settings: Settings) -> list[str]:
    """Return a warning for every study that the spec names as history and that does not exist.

    Nothing is reported if the history cannot be reached.
    """
    named = [(index, item) for index, item in enumerate(spec.history) if item.study is not None]
    if not any(item.weight > 0 and item.study != spec.name for _, item in named):
        return []
    try:
        known = _known(settings)
    except NotFoundError:
        known = []  # nothing was ever run here
    except TunerError:
        return []
    return [
        f"history[{index}].study: {item.study}: there is no such study with a trial that ended, so "
        f"nothing is learnt from it; {did_you_mean(item.study, known)}"
        f"tuner history list shows those that there are"
        for index, item in named
        if item.weight > 0 and item.study not in (spec.name, *known)
    ]


def advise_gpus(spec: StudySpec) -> list[str]:
    """Return a warning if this machine has fewer GPUs than a trial of the study needs."""
    wanted = spec.trial.gpus
    if not wanted or (here := count_gpus()) >= wanted:
        return []
    shown = "no GPU" if here == 0 else f"{here} GPU{'' if here == 1 else 's'}"
    used = "the processor" if here == 0 else "these"
    return [f"trial.gpus: {wanted}: this machine shows {shown}; the trial was tried on {used}"]


def advise_timeout(spec: StudySpec, trial: JsonObject) -> list[str]:
    """Return a warning if the first report took longer than a whole trial may."""
    limit, took = spec.trial.timeout, trial["seconds"]
    if limit is None or took is None or took < limit:
        return []
    what = "first report" if trial["reported"] else "trial"
    return [
        f"trial.timeout: {duration(limit)}: the {what} took {duration(took)} here with all "
        f"imports, so trials may all end by timeout; allow several times as long as a whole one"
    ]


def _known(settings: Settings) -> list[str]:
    with open_history(settings, create=False) as api:
        return [str(row["key"]) for row in api.history()]
