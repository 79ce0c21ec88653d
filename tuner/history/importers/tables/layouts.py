"""The tables that tuners write, recognized by their headers: which column is what in each.

To add one: a function here and a line in `LAYOUTS`. Names count only together with others that the
same tool writes: a single column `state` or `duration` may be a parameter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tuner.history.importers import state_words
from tuner.history.importers.cells import CellCount, CellKind
from tuner.history.matching.metric import is_metric_name
from tuner.history.store.records import Goal


@dataclass(kw_only=True)
class CsvColumns:
    """The columns of a table by index. Mutable while they are being assigned.

    Attributes:
        tool: the tool that wrote the table; empty for a plain one.
        goals: of metrics, if the tool defines them.
        quoted: parameters whose values are in quotation marks of their own.
        done: whether a run has ended, true or false.
        step: the progress of a run; if it is set, the rows of one run are its curve.
        run: identifies runs that may have several rows; if it is missing, the parameters do.
        limits: constraints, met where at most 0.
        notes: what a reader may not expect.
    """

    tool: str = ""
    params: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, int] = field(default_factory=dict)
    goals: dict[str, Goal] = field(default_factory=dict)
    kinds: dict[str, CellKind] = field(default_factory=dict)
    quoted: set[str] = field(default_factory=set)
    state: int | None = None
    started: int | None = None
    finished: int | None = None
    done: int | None = None
    step: int | None = None
    run: int | None = None
    limits: int | None = None
    notes: list[str] = field(default_factory=list)


Header = Mapping[str, int]
#: The index of pandas.
_INDEX = re.compile(r"(Unnamed: \d+)?")


def find_layout(names: Sequence[str], counts: Sequence[CellCount]) -> CsvColumns:
    """Return the columns of a table; for a plain one, without metrics.

    Args:
        counts: the content of each column.
    """
    header = {name: index for index, name in enumerate(names) if not _INDEX.fullmatch(name)}
    made = (make(header, counts) for make in LAYOUTS)
    columns = next((found for found in made if found is not None), None)
    columns = columns or _plain(header, counts)
    for name, index in columns.params.items():
        columns.kinds[name] = counts[index].kind
        if counts[index].is_quoted:
            columns.quoted.add(name)
    return columns


def _optuna(header: Header, counts: Sequence[CellCount]) -> CsvColumns | None:
    """Return the columns of `study.trials_dataframe()`."""
    del counts
    params = _behind(header, "params_")
    values = {n: i for n, i in header.items() if re.fullmatch(r"values?(_.+)?", n)}
    if not params or not ({"number", "state"} & header.keys() or values):
        return None
    return CsvColumns(
        tool="Optuna",
        params=params,
        metrics={_named_value(name): index for name, index in values.items()},
        state=header.get("state"),
        started=header.get("datetime_start"),
        finished=header.get("datetime_complete"),
        limits=header.get("system_attrs_constraints"),
    )


def _optuna_dashboard(header: Header, counts: Sequence[CellCount]) -> CsvColumns | None:
    """Return the columns of a table downloaded from Optuna's dashboard."""
    del counts
    params = _behind(header, "Param ")
    if not params or not {"Number", "State"} <= header.keys():
        return None
    facts = {"Number", "State", *(n for n in header if n.startswith(("Param ", "UserAttribute ")))}
    return CsvColumns(
        tool="Optuna",
        params=params,
        metrics={"value" if n == "Value" else n: i for n, i in _but(header, facts).items()},
        state=header["State"],
    )


def _named_value(name: str) -> str:
    """Return the name that a study gave to a value; empty for `values_0`, which has none."""
    named = name.removeprefix("values_")
    return name if named.isdigit() else named


def _scikit_learn(header: Header, counts: Sequence[CellCount]) -> CsvColumns | None:
    """Return the columns of `cv_results_`; for a halving search, resources are steps."""
    del counts
    params = _behind(header, "param_") or _behind(header, "params.")
    metrics = {name: i for name, i in header.items() if name.startswith("mean_test_")}
    if not params or not metrics:
        return None
    return CsvColumns(
        tool="scikit-learn",
        # step__parameter: a parameter of a pipeline's step.
        params={name.replace("__", "."): index for name, index in params.items()},
        metrics=metrics,
        # For a scorer of scikit-learn greater is better; losses are negated there.
        goals=dict.fromkeys(metrics, "maximize"),
        step=header.get("n_resources") if "iter" in header else None,
    )


def _ray(header: Header, counts: Sequence[CellCount]) -> CsvColumns | None:
    """Return the columns of Ray Tune's data frames."""
    params = _behind(header, "config/", "config.")
    if not params or not {"training_iteration", "trial_id", "done"} & header.keys():
        return None
    params = {name.removeprefix("train_loop_config/"): i for name, i in params.items()}
    rest = [n for n, i in header.items() if i not in params.values() and n not in _RAY_FACTS]
    return CsvColumns(
        tool="Ray",
        params=params,
        metrics={name: header[name] for name in rest if counts[header[name]].has_numbers},
        finished=header.get("timestamp"),
        done=header.get("done"),
        step=header.get("training_iteration"),
        run=header.get("trial_id"),
    )


def _mlflow(header: Header, counts: Sequence[CellCount]) -> CsvColumns | None:
    """Return the columns of `mlflow.search_runs`."""
    metrics = {n: i for n, i in _behind(header, "metrics.").items() if counts[i].known}
    if not metrics or not {"run_id", "status", "experiment_id"} & header.keys():
        return None
    return CsvColumns(
        tool="MLflow",
        params=_behind(header, "params."),
        metrics=metrics,
        state=header.get("status"),
        started=header.get("start_time"),
        finished=header.get("end_time"),
    )


def _tuner(header: Header, counts: Sequence[CellCount]) -> CsvColumns | None:
    """Return the columns of `tuner export csv`, and of the table from the Best trials tab."""
    metrics = {n: i for n, i in _behind(header, "metrics.").items() if counts[i].known}
    if not {"trial", "state", "objective", "attempts"} <= header.keys():
        return None
    return CsvColumns(
        tool="Tuner",
        params=_behind(header, "params."),
        metrics=metrics,
        state=header["state"],
        started=header.get("started"),
        finished=header.get("finished"),
    )


def _neptune(header: Header, counts: Sequence[CellCount]) -> CsvColumns | None:
    """Return the columns of Neptune's runs table, downloaded or from `fetch_runs_table`."""
    if "sys/id" not in header and "Id" not in header:
        return None
    params = _behind(header, "parameters/")
    found = _behind(header, "metrics/")
    metrics = {name: index for name, index in found.items() if counts[index].has_numbers}
    if not params or not metrics:
        return None
    return CsvColumns(
        tool="Neptune",
        params={name.replace("/", "."): index for name, index in params.items()},
        metrics=metrics,
        started=header.get("sys/creation_time"),
        finished=header.get("sys/modification_time"),
    )


def _sagemaker(header: Header, counts: Sequence[CellCount]) -> CsvColumns | None:
    """Return the columns of SageMaker's `HyperparameterTuningJobAnalytics(...).dataframe()`."""
    del counts
    metric = "FinalObjectiveValue"
    facts = {metric, *(name for name in header if re.match("_|Training(Job|Start|End|El)", name))}
    if metric not in header or len(facts) < 2:
        return None
    return CsvColumns(
        tool="SageMaker",
        params=_but(header, facts),
        metrics={metric: header[metric]},
        state=header.get("TrainingJobStatus"),
        started=header.get("TrainingStartTime"),
        finished=header.get("TrainingEndTime"),
    )


def _wandb_api(header: Header, counts: Sequence[CellCount]) -> CsvColumns | None:
    """Return the columns of the data frame in W&B's documentation of its public API."""
    params = _behind(header, "config.")
    metrics = {n: i for n, i in _behind(header, "summary.").items() if counts[i].has_numbers}
    if not params or not metrics:
        return None
    state = header.get("state", header.get("State"))
    return CsvColumns(tool="W&B", params=params, metrics=metrics, state=state)


def _web_export(header: Header, counts: Sequence[CellCount]) -> CsvColumns | None:
    """Return the columns of a table downloaded from W&B's or MLflow's page, which has no prefixes.

    Numbers with the name of a measurement are metrics, everything else is a parameter.
    """
    is_wandb = "Name" in header and len(_WANDB & header.keys()) > 1
    is_mlflow = {"Run ID", "Status"} <= header.keys() and bool(_MLFLOW & header.keys())
    if not is_wandb and not is_mlflow:
        return None
    facts = {*_WEB_FACTS, *(name for name in header if name.startswith("_"))}
    rest = _but(header, facts)
    metrics = {n: i for n, i in rest.items() if _is_measured(n) and counts[i].has_numbers}
    return CsvColumns(
        tool="W&B" if is_wandb else "MLflow",
        params={name.removesuffix(".value"): i for name, i in rest.items() if name not in metrics},
        metrics=metrics,
        state=header.get("State" if is_wandb else "Status"),
        started=header.get("Created", header.get("Start Time")),
    )


def _is_measured(name: str) -> bool:
    # val_acc (max) is an aggregate of W&B.
    return is_metric_name(re.sub(r"\s*\((max|min|mean|last)\)$", "", name))


def _plain(header: Header, counts: Sequence[CellCount]) -> CsvColumns:
    """Return the columns of any other table: parameters, and a state if it has known words."""
    named = [name for name in header if state_words.plain(name) in state_words.COLUMNS]
    words = [name for name in named if state_words.are_words(counts[header[name]].texts)]
    state = words[0] if len(words) == 1 else None
    others = [name for name in named if name != state and counts[header[name]].known]
    facts = {name for name in (state, "datetime_start", "datetime_complete") if name}
    return CsvColumns(
        params=_but(header, facts),
        state=None if state is None else header[state],
        started=header.get("datetime_start"),
        finished=header.get("datetime_complete"),
        notes=[f"column {name} holds no states that are known: a parameter" for name in others],
    )


LAYOUTS: tuple[Callable[[Header, Sequence[CellCount]], CsvColumns | None], ...] = (
    _optuna,
    _optuna_dashboard,
    _scikit_learn,
    _wandb_api,
    _ray,
    _mlflow,
    _tuner,
    _neptune,
    _sagemaker,
    _web_export,
)


def _behind(header: Header, *prefixes: str) -> dict[str, int]:
    """Return the columns whose names have one of these prefixes, without it."""
    found: dict[str, int] = {}
    for name, index in header.items():
        prefix = next((p for p in prefixes if name.startswith(p)), "")
        if prefix and name != prefix:
            found[name.removeprefix(prefix)] = index
    return found


def _but(header: Header, facts: Iterable[str]) -> dict[str, int]:
    left = set(facts)
    return {name: index for name, index in header.items() if name not in left}


_RAY_FACTS = frozenset(
    (
        *("time_this_iter_s", "should_checkpoint", "done", "timesteps_total", "episodes_total"),
        *("training_iteration", "trial_id", "experiment_id", "date", "timestamp", "time_total_s"),
        *("pid", "hostname", "node_ip", "time_since_restore", "timesteps_since_restore"),
        *("iterations_since_restore", "warmup_time", "experiment_tag", "checkpoint_dir_name"),
        *("logdir", "trial_log_path", "trial_name", "timesteps_this_iter", "episodes_this_iter"),
        *("num_steps_sampled", "num_steps_trained", "num_healthy_workers"),
    )
)
_WANDB = frozenset(("State", "Created", "Runtime", "Sweep", "User", "Notes", "Tags", "Group", "ID"))
_MLFLOW = frozenset(("Source Type", "Source Name", "Start Time", "User", "Duration", "Source"))
_WEB_FACTS = frozenset(
    (
        *_WANDB,
        *_MLFLOW,
        *("Name", "State", "Status", "Run ID", "Run Name", "Job Type", "JobType", "Hostname"),
        *("Host", "Commit", "GitHub", "GPU Type", "GPU Count", "CPU Count", "Agent", "Updated"),
        *("Heartbeat At", "End Time", "Project", "Entity", "Command", "Python", "OS", "Program"),
        *("Relative Time (Process)", "Relative Time (Wall)", "Report", "Path", "Version"),
        *("Experiment ID", "Experiment", "Dataset", "Models", "Logged By", "Description"),
    )
)
