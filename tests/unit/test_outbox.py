"""Points on their way to the server: each of them once, in messages that it takes."""

from __future__ import annotations

from tests.unit.test_workers_found import Server, outbox_of
from tuner.protocol import Point

STEPS = range(1, 1001)
METRICS = {f"metric_{number}": 1.0 for number in range(20)}


def test_points_that_one_message_does_not_hold_go_with_the_next() -> None:
    server = Server()
    outbox = outbox_of(server)
    for step in STEPS:
        outbox.add(Point(step=step, value=0.5, metrics=METRICS))

    assert not outbox.fits_one_message()
    while outbox.points:
        outbox.post(0.0)
    assert len(server.reports) > 1
    assert [point.step for report in server.reports for point in report.points] == [*STEPS]
