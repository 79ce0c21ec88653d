"""The command that makes every proposal of a study again and compares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from tuner.cli.arguments import AnyStudy, Json, settings
from tuner.cli.exit_codes import FAILED
from tuner.cli.following.choice import take_study
from tuner.cli.printing import print_json, say
from tuner.errors import StudyError
from tuner.local import open_reader

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.documents.proposals import RecordedTrial as Recorded
    from tuner.proposals.recorded import RecordedTrial
    from tuner.proposals.replaying import Replayed, Verdict
    from tuner.service.reading import Reader

_PAGE = 1000
_COLOURS: dict[Verdict, str] = {"same": "good", "different": "bad", "unknown": "warn"}


def replay(study: AnyStudy = None, *, as_json: Json = False) -> None:
    """Make every proposal of a study again from its record; exit 1 if one comes out different."""
    from tuner.cli.render import output

    with open_reader(settings()) as api:
        study = take_study(api, study)
        results = list(_show(replay_study(api, study), quiet=as_json))
    counts: Counter[Verdict] = Counter(result.verdict for result in results)
    if as_json:
        print_json(_document(study, results, counts))
    elif not results:
        say(f"{study}: nothing was proposed yet")
    else:
        output.out().print(f"{study}: {_summary(counts)}")
    if counts["different"]:
        raise typer.Exit(FAILED)


def replay_study(api: Reader | ApiClient, study: str) -> Iterator[tuple[int, Replayed]]:
    """Yield the number of trials and what came out, for each trial in turn."""
    from tuner.proposals.artifact import Artifact
    from tuner.proposals.replaying import Replay
    from tuner.spec import parse_stored

    page = api.proposals(study, 0, _PAGE)
    rows = list(page["trials"])
    while len(page["trials"]) == _PAGE:
        page = api.proposals(study, len(rows), _PAGE)
        rows += page["trials"]

    def load(key: str) -> Artifact:
        try:
            return Artifact.from_bytes(api.artifact(study, key))
        except ValueError as exc:
            raise StudyError(f"artifact {key[:12]}: {exc}") from exc

    spec = parse_stored(page["spec"])
    whole = Replay(spec, page["seed"], [_recorded(row) for row in rows], load)
    for row in rows:
        yield len(rows), whole.trial(row["trial"])


def _recorded(row: Recorded) -> RecordedTrial:
    from tuner.proposals.recorded import RecordedTrial
    from tuner.protocol import decode_number
    from tuner.trials.states import TrialState

    return RecordedTrial(
        number=row["trial"],
        params=row["params"],
        proposal=row["proposal"],
        told=row["told"],
        state=TrialState[row["state"]] if row["state"] else None,
        cause=row["cause"],
        values=[decode_number(value) for value in row["values"]],
        curve={step: decode_number(value) for step, value in row["curve"]},
        # A server of an earlier release does not send it, and has not used it.
        took=row.get("took"),
    )


def _show(found: Iterator[tuple[int, Replayed]], *, quiet: bool) -> Iterator[Replayed]:
    """Print a line for each trial as it comes; a terminal shows how far it is meanwhile."""
    from rich.markup import escape
    from rich.progress import Progress

    from tuner.cli.render import output

    console = output.err() if quiet else output.out()
    with Progress(console=console, transient=True, disable=not console.is_interactive) as progress:
        task = progress.add_task("replaying", total=None)
        for total, result in found:
            progress.update(task, total=total, advance=1)
            if not quiet:
                word = f"[{_COLOURS[result.verdict]}]{result.verdict:<9}[/]"
                line = f"[quiet]trial[/] {result.trial:>5}  {word}  {escape(result.sampler):<8}"
                reason = f"  {escape(result.reason)}" if result.reason else ""
                progress.console.print(line + reason, soft_wrap=True)
            yield result


def _summary(counts: Counter[Verdict]) -> str:
    words: dict[Verdict, str] = {
        "same": "come out the same",
        "different": "different",
        "unknown": "not recorded",
    }
    parts = [f"{counts[verdict]} {word}" for verdict, word in words.items() if counts[verdict]]
    return ", ".join(parts)


def _document(study: str, results: list[Replayed], counts: Counter[Verdict]) -> dict[str, Any]:
    return {
        "study": study,
        **{verdict: counts[verdict] for verdict in _COLOURS},
        "trials": [
            {
                "trial": result.trial,
                "verdict": result.verdict,
                "sampler": result.sampler,
                "reason": result.reason,
                "params": dict(result.params) if result.params is not None else None,
            }
            for result in results
        ],
    }
