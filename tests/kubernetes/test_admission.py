"""Which pods the cluster lets into the namespace, by the expressions of our policy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.kubernetes.admission import policy, refusals
from tests.kubernetes.kustomize import OVERLAYS, Document, documents
from tests.kubernetes.pods import find_pods

IMAGE = f"registry.example/worker@sha256:{'a' * 64}"
OTHER = f"registry.example/worker@sha256:{'b' * 64}"


def worker(**changes: Any) -> Document:
    """Return a worker's pod; `changes` replace keys of its container."""
    container = {
        "name": "worker",
        "image": IMAGE,
        "env": [{"name": "X", "value": "1"}, {"name": "TUNER_IMAGE", "value": IMAGE}],
        "volumeMounts": [{"name": "secrets", "mountPath": "/run/secrets/tuner"}],
        **changes,
    }
    volumes = [{"name": "secrets", "secret": {"secretName": "tuner-worker"}}, {"name": "tmp"}]
    return {"metadata": {"name": "p"}, "spec": {"containers": [container], "volumes": volumes}}


def with_spec(**keys: Any) -> Document:
    """Return a worker's pod with further keys in its spec."""
    pod = worker()
    pod["spec"].update(keys)
    return pod


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_our_own_pods_are_let_in(overlay: str) -> None:
    for pod in find_pods(documents(overlay)):
        assert refusals({"metadata": {"labels": pod.labels}, "spec": pod.spec}) == [], pod.name


def test_a_pod_with_nothing_but_an_image_is_let_in() -> None:
    assert refusals({"metadata": {}, "spec": {"containers": [{"name": "x", "image": IMAGE}]}}) == []


@pytest.mark.parametrize(
    "image",
    [
        "tuner",
        "tuner:1.0",
        "tuner:latest",
        "registry.example:5000/tuner",
        f"tuner@sha256:{'a' * 63}",
        f"tuner@sha256:{'A' * 64}",
        f"tuner@sha256:{'a' * 64}x",
        f"tuner@md5:{'a' * 64}",
        f"@sha256:{'a' * 64}",
        f"a@b@sha256:{'a' * 64}",
    ],
)
@pytest.mark.parametrize("place", ["containers", "initContainers", "ephemeralContainers"])
def test_an_image_that_is_not_named_by_its_digest_is_refused_wherever_it_is(
    image: str, place: str
) -> None:
    pod = worker()
    pod["spec"].setdefault(place, [])
    pod["spec"][place] = [*pod["spec"][place], {"name": "x", "image": image}]

    (said,) = refusals(pod)
    assert said == f"not by digest: {image}; name each image as NAME@sha256:…"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"value": OTHER}, "TUNER_IMAGE is not the image of: worker"),
        ({"value": f"sha256:{'a' * 64}"}, "TUNER_IMAGE is not the image of: worker"),
        ({}, "TUNER_IMAGE is not the image of: worker"),
        ({"valueFrom": {"configMapKeyRef": {}}}, "TUNER_IMAGE is not the image of: worker"),
    ],
)
def test_a_worker_that_states_another_image_than_it_runs_is_refused(
    value: dict[str, Any], says: str
) -> None:
    assert refusals(worker(env=[{"name": "TUNER_IMAGE", **value}])) == [says]


def test_two_values_of_which_one_is_right_are_refused() -> None:
    env = [{"name": "TUNER_IMAGE", "value": image} for image in (IMAGE, OTHER)]

    assert refusals(worker(env=env)) == ["TUNER_IMAGE is not the image of: worker"]


def test_a_container_beside_the_worker_that_states_another_image_is_refused() -> None:
    beside = {"name": "b", "image": OTHER, "env": [{"name": "TUNER_IMAGE", "value": IMAGE}]}

    assert refusals(with_spec(initContainers=[beside])) == ["TUNER_IMAGE is not the image of: b"]


SILENT = "a worker states its image; TUNER_IMAGE is missing in: "


@pytest.mark.parametrize(
    ("pod", "says"),
    [
        (worker(env=[]), f"{SILENT}worker"),
        ({"metadata": {}, "spec": {"containers": [{"name": "worker", "image": IMAGE}]}},
         f"{SILENT}worker"),
        (worker(name="harmless", env=[]), f"{SILENT}harmless"),
        (
            with_spec(
                initContainers=[
                    {
                        "name": "first",
                        "image": IMAGE,
                        "volumeMounts": [{"name": "secrets", "mountPath": "/s"}],
                    }
                ]
            ),
            f"{SILENT}first",
        ),
    ],
)  # fmt: skip
def test_what_holds_the_workers_token_states_its_image(pod: Document, says: str) -> None:
    assert refusals(pod) == [says]


def test_the_token_in_a_volume_of_several_sources_is_found_too() -> None:
    pod = worker(name="harmless", env=[])
    sources = [{"configMap": {"name": "c"}}, {"secret": {"name": "tuner-worker"}}]
    pod["spec"]["volumes"] = [{"name": "secrets", "projected": {"sources": sources}}]

    assert refusals(pod) == [f"{SILENT}harmless"]


def test_a_container_beside_the_worker_without_its_token_need_not_state_one() -> None:
    assert refusals(with_spec(initContainers=[{"name": "proxy", "image": OTHER}])) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda pod: pod["spec"]["containers"][0].update(image="tuner:1.0"),
        lambda pod: pod["spec"]["containers"][0].update(image=OTHER),
        lambda pod: pod["spec"].update(ephemeralContainers=[{"name": "d", "image": "busybox"}]),
    ],
)
def test_an_update_is_looked_at_like_a_new_pod(change: Callable[[Document], None]) -> None:
    pod = worker()
    changed = copy.deepcopy(pod)
    change(changed)

    assert refusals(changed, before=pod) != []


def test_a_pod_from_before_the_policy_may_still_lose_its_finalizers() -> None:
    pod = worker(image="tuner:1.0")
    changed = {**pod, "metadata": {"name": "p", "finalizers": []}}

    assert refusals(changed, before=pod) == []
    assert refusals(pod) != []


def test_the_policy_refuses_where_it_cannot_be_evaluated_and_looks_at_every_way_into_a_pod() -> (
    None
):
    spec = policy()
    (rule,) = spec["matchConstraints"]["resourceRules"]

    assert spec["failurePolicy"] == "Fail"
    assert set(rule["resources"]) == {"pods", "pods/ephemeralcontainers"}
    assert set(rule["operations"]) == {"CREATE", "UPDATE"}
