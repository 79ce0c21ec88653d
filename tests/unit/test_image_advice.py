"""What a submission says at once of an image that no worker has."""

from __future__ import annotations

from typing import Any

from tuner.cli.render.image_advice import image_advice

IMAGE = "team/train@sha256:" + "ab" * 32
OTHER = "team/train@sha256:" + "cd" * 32


def worker(image: str | None, **facts: Any) -> dict[str, Any]:
    return {"name": "w", "device": "cpu", "state": "idle", "image": image, **facts}


def test_the_images_that_there_are_are_named_with_how_many_have_them() -> None:
    workers = [worker(OTHER), worker(OTHER), worker(None)]

    assert image_advice(IMAGE, workers) == (
        "no worker has its image team/train@sha256:abababababab; the workers have: none (1), "
        "team/train@sha256:cdcdcdcdcdcd (2). Its trials wait for one that has it"
    )


def test_without_workers_that_is_said() -> None:
    waits = ". Its trials wait for one that has it"
    said = f"no worker has its image team/train@sha256:abababababab; no worker is there{waits}"

    assert image_advice(IMAGE, []) == said
    # Neither counts: a script that executes its own study, and one that leaves.
    others = [worker("p/s", device="external"), worker(IMAGE, state="stopping")]
    assert image_advice(IMAGE, others) == said


def test_a_worker_that_is_not_believed_is_named_with_the_reason() -> None:
    liar = worker(IMAGE, image_problem="its token is bound to another")

    assert image_advice(IMAGE, [liar, worker(OTHER)]) == (
        "the workers that say they have its image team/train@sha256:abababababab get no trials: "
        "w: its token is bound to another"
    )


def test_nothing_is_said_where_a_worker_has_it_or_is_started_with_it() -> None:
    liar = worker(IMAGE, image_problem="x")

    assert image_advice(IMAGE, [liar, worker(IMAGE, image_problem="")]) == ""
    # Of a server of an earlier release.
    assert image_advice(IMAGE, [worker(IMAGE)]) == ""
    assert image_advice(IMAGE, [], own=IMAGE, starts=True) == ""


def test_a_run_whose_own_workers_do_not_fit_is_told_so() -> None:
    begin = (
        "no worker has its image team/train@sha256:abababababab; no worker is there; those that "
    )
    end = " (TUNER_IMAGE). Its trials wait for one that has it"

    none, other = (image_advice(IMAGE, [], own=own, starts=True) for own in (None, OTHER))
    assert none == f"{begin}this command starts have none{end}"
    assert other == f"{begin}this command starts have team/train@sha256:cdcdcdcdcdcd{end}"
