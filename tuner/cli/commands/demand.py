"""`tuner workers demand`: how many workers are of use now, and why."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.arguments import Json, settings
from tuner.cli.printing import print_json
from tuner.errors import NotFoundError, SetupError
from tuner.local import open_reader
from tuner.protocol import Device
from tuner.runtime.system import MAX_DEVICES

if TYPE_CHECKING:
    from rich.table import Table

    from tuner.client import ApiClient
    from tuner.documents.demand import DemandKind, WorkerDemand
    from tuner.service.reading import Reader


#: The demand if there is no study.
NOTHING: WorkerDemand = {
    "workers_wanted": 0,
    "running": 0,
    "queued": 0,
    "workers": 0,
    "idle": 0,
    "reason": "no study is open",
    "kinds": [],
}


def demand(
    *,
    device: Annotated[
        Device | None, typer.Option(help="Count only what a worker with this device could run.")
    ] = None,
    gpus: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_DEVICES, help="Count only what a worker with N GPUs could run."
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            metavar="REF", help="Count only what a worker of this image could run; empty: of none."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say how many workers the studies could use now, of which kind, and why."""
    from tuner.cli.render import output

    with contextlib.ExitStack() as held:
        try:
            api = held.enter_context(open_reader(settings()))
        except NotFoundError:
            found = NOTHING  # nothing was ever run here
        else:
            found = _ask(api, device, gpus, image)
    if as_json:
        print_json(found)
        return
    if found["kinds"]:
        output.out().print(_table(found["kinds"]))
    output.out().print(_sum(found), soft_wrap=True)


def _ask(
    api: Reader | ApiClient, device: Device | None, gpus: int | None, image: str | None
) -> WorkerDemand:
    try:
        return api.demand(device, gpus, image)
    except NotFoundError as exc:
        raise SetupError(
            "this server is of a release that does not say how many workers it could use; update it"
        ) from exc


def _table(kinds: list[DemandKind]) -> Table:
    from rich.markup import escape

    from tuner.cli.render.tables import plain_table

    has_images = any(kind["image"] for kind in kinds)
    columns = ("device", *(["image"] if has_images else []))
    table = plain_table(*columns, ">wanted", ">running", ">ready", ">workers", ">idle", "why")
    for kind in kinds:
        device = f"{kind['gpus']} gpus" if kind["gpus"] > 1 else kind["device"]
        counts = (
            *(kind["workers_wanted"], kind["running"], kind["queued"]),
            *(kind["workers"], kind["idle"]),
        )
        table.add_row(
            device,
            *([escape(kind["image"] or "any")] if has_images else []),
            *map(str, counts),
            escape(kind["reason"]),
        )
    return table


def _sum(found: WorkerDemand) -> str:
    """Return in a line whether there are too few workers."""
    from rich.markup import escape

    wanted, workers = found["workers_wanted"], found["workers"]
    if not wanted:
        return f"no worker is wanted: {escape(found['reason'])}"
    said = "1 worker is wanted" if wanted == 1 else f"{wanted} workers are wanted"
    there = "none is" if not workers else f"{workers} {'is' if workers == 1 else 'are'}"
    return f"{said}, and {there} there"
