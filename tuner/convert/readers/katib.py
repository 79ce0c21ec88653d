"""A Katib Experiment (kubeflow.org/v1beta1) as a spec."""

from __future__ import annotations

from typing import Any

from tuner.convert.draft import SpecDraft
from tuner.convert.fields import Fields
from tuner.convert.names import slug
from tuner.convert.readers.katib_parameters import read_parameters
from tuner.convert.readers.katib_template import read_template
from tuner.convert.readers.samplers import grid
from tuner.convert.search_file import SearchFile
from tuner.space.value import show

TOOL = "a Katib Experiment"
_SAMPLERS = {
    "random": "random",
    "bayesianoptimization": "bayesian",
    "tpe": "tpe",
    "multivariate-tpe": "tpe",
    "sobol": "qmc",
}
#: Keys of a spec that do not affect what is searched.
_SILENT = ("resumePolicy", "metricsCollectorSpec")


def read(file: SearchFile) -> SpecDraft | None:
    """Return the draft of an Experiment; None if the file belongs to another tool.

    Raises:
        SpecError: something in it is invalid.
    """
    if not _is_experiment(file.data):
        return None
    draft = file.draft(TOOL)
    experiment = file.fields()
    experiment.take("kind")
    version = experiment.text("apiVersion")
    if version != "kubeflow.org/v1beta1":
        draft.tell("", f"written for {version}, read as kubeflow.org/v1beta1")
    experiment.take("status")
    meta = experiment.fields("metadata")
    name, namespace = (None, None) if meta is None else (_name(meta), meta.text("namespace"))
    draft.values["project"] = slug(namespace or "", "imported")
    draft.values["study"] = slug(name or "", slug(draft.stem, "experiment"))
    spec = experiment.fields("spec")
    if spec is None:
        raise experiment.wrong("spec", "a mapping with parameters and objective")
    if "nasConfig" in spec:
        spec.take("nasConfig")
        draft.lose("search_space", "nasConfig: the search for an architecture")
    read_parameters(spec, draft)
    _read_objective(spec, draft)
    read_template(spec, draft)
    _read_algorithm(spec, draft)
    _read_early(spec, draft)
    _read_counts(spec, draft)
    _read_rest(experiment, spec, draft)
    return draft


def _is_experiment(data: dict[str, Any]) -> bool:
    """Whether a document is an Experiment."""
    api = data.get("apiVersion")
    return data.get("kind") == "Experiment" and str(api).startswith("kubeflow.org/")


def _name(meta: Fields) -> str | None:
    return meta.text("name") or (meta.text("generateName") or "").rstrip("-") or None


def _read_objective(spec: Fields, draft: SpecDraft) -> None:
    objective = spec.fields("objective")
    if objective is None:
        draft.measure(None, None)
        return
    draft.measure(
        objective.text("objectiveMetricName"), objective.word("type", "maximize", "minimize")
    )
    goal = objective.number("goal")
    if goal is not None:
        draft.values["budget"] = {"target": goal}
    more = objective.list("additionalMetricNames")
    if more:
        draft.tell("metric", f"every further metric that is reported is kept, {show(more)} too")
    for strategy in objective.each("metricStrategies"):
        name, value = strategy.text("name"), strategy.text("value")
        draft.lose(
            "metric", f"metricStrategies: {name}: {value}; the program says which value counts"
        )
    draft.lose_rest(objective, "metric", "objective.")


def _read_algorithm(spec: Fields, draft: SpecDraft) -> None:
    algorithm = spec.fields("algorithm")
    name = None if algorithm is None else algorithm.text("algorithmName")
    if algorithm is None or name is None:
        draft.values["sampler"] = {"name": "bayesian"}
        return
    settings = _settings(algorithm)
    if name == "grid":
        grid(draft)
    elif name == "hyperband":
        draft.values["sampler"] = {"name": "random"}
        draft.values["pruner"] = _hyperband(settings, draft)
    else:
        draft.values["sampler"] = {"name": _SAMPLERS.get(name, "bayesian")}
        if name not in _SAMPLERS:
            draft.lose("sampler", f"algorithmName: {name}; bayesian stands for it")
    sampler = draft.values["sampler"]
    seed = _whole(settings, "random_state", 2**32 - 1)
    if seed is not None:
        sampler["seed"] = seed
        del settings["random_state"]
    startup = _whole(settings, "n_startup_trials", 10_000)
    if startup and sampler["name"] == "tpe":
        sampler["startup_trials"] = startup
        del settings["n_startup_trials"]
    for key, value in settings.items():
        draft.lose("sampler", f"{key}: {value}")
    draft.lose_rest(algorithm, "sampler", "algorithm.")


def _hyperband(settings: dict[str, str], draft: SpecDraft) -> dict[str, Any]:
    pruner: dict[str, Any] = {"name": "hyperband"}
    most, factor = _whole(settings, "r_l", 1_000_000), _whole(settings, "eta", 100)
    if most is not None and most > 1:
        pruner["max_resource"] = most
        del settings["r_l"]
    if factor is not None and factor >= 2:
        pruner["reduction_factor"] = factor
        del settings["eta"]
    resource = settings.pop("resource_name", None)
    if resource is not None:
        draft.lose(
            "pruner", f"resource_name: {resource}; a trial reports each step and is stopped at one"
        )
    return pruner


def _read_early(spec: Fields, draft: SpecDraft) -> None:
    early = spec.fields("earlyStopping")
    if early is None:
        return
    name = early.text("algorithmName")
    if name != "medianstop" or "pruner" in draft.values:
        draft.lose("pruner", f"earlyStopping: {name}")
        return
    settings = _settings(early)
    pruner: dict[str, Any] = {"name": "median"}
    for theirs, ours, most in (
        ("min_trials_required", "startup_trials", 10_000),
        ("start_step", "warmup_steps", 1_000_000),
    ):
        count = _whole(settings, theirs, most)
        if count is not None:
            pruner[ours] = count
            del settings[theirs]
    draft.values["pruner"] = pruner
    for key, value in settings.items():
        draft.lose("pruner", f"{key}: {value}")
    draft.lose_rest(early, "pruner", "earlyStopping.")


def _settings(fields: Fields) -> dict[str, str]:
    """Return the settings of an algorithm; `algorithmSettings` is a list of names and values."""
    found: dict[str, str] = {}
    for item in fields.each("algorithmSettings"):
        name, value = item.text("name"), item.take("value")
        if name is not None and value is not None:
            found[name] = str(value)
    return found


def _whole(settings: dict[str, str], key: str, most: int) -> int | None:
    text = settings.get(key, "")
    return int(text) if text.isascii() and text.isdigit() and int(text[:20]) <= most else None


def _read_counts(spec: Fields, draft: SpecDraft) -> None:
    trials, parallel = spec.whole("maxTrialCount"), spec.whole("parallelTrialCount")
    budget = draft.values.setdefault("budget", {})
    if trials is not None:
        budget["trials"] = trials
    elif not budget:
        draft.cap(None)
    if parallel is not None:
        draft.values["parallel"] = parallel
    failed = spec.whole("maxFailedTrialCount", 0)
    if failed is not None:
        draft.lose(
            "budget",
            f"maxFailedTrialCount: {failed}; a study pauses when its first three trials, or ten in "
            f"a row, fail alike",
        )


def _read_rest(experiment: Fields, spec: Fields, draft: SpecDraft) -> None:
    for key in _SILENT:
        value = spec.take(key)
        if value is not None:
            draft.lose("", f"{key}: {show(value)}")
    draft.lose_rest(spec, "", "spec.")
    draft.lose_rest(experiment, "")
