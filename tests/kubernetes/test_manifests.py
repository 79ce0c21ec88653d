"""What docker/kubernetes renders to: right by the schemas and our rules, and no mistake passes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes.kustomize import KUBERNETES, OVERLAYS, documents, load, render
from tests.kubernetes.mutations import MUTATIONS, Mutation
from tests.kubernetes.pods import find_pods
from tests.kubernetes.rules import problems
from tests.kubernetes.rules_pods import confinement, secrets
from tests.kubernetes.rules_references import SECRETS
from tests.kubernetes.schemas import RELEASES, mistakes

PAGE = KUBERNETES.parents[1] / "docs" / "kubernetes.md"
#: Further ways to put the components together, in the order that their comments ask for.
COMBINATIONS = {
    "GPUs that stay": ["workers", "nvidia", "images", "workers/pin"],
    "processors that come and go": ["scaled-workers", "images", "scaled-workers/pin"],
    "spot machines that stay": ["workers", "spot", "images", "workers/pin"],
    "TLS": ["workers", "tls", "images", "workers/pin"],
    "TLS, and pods of KEDA's": ["scaled-workers", "tls", "images", "scaled-workers/pin"],
    "both kinds of workers": [
        *("stores", "workers", "scaled-workers", "images", "workers/pin", "scaled-workers/pin"),
    ],
    "S3 and pods of KEDA's": [
        *("scaled-workers", "nvidia", "volumes-s3", "images", "scaled-workers/pin"),
    ],
    "GCS and pods of KEDA's": [
        *("scaled-workers", "nvidia", "volumes-gcs", "images", "scaled-workers/pin"),
    ],
}


def wrong(manifests: list[dict[str, Any]], release: str = RELEASES[-1]) -> list[str]:
    """Return everything that is wrong with a deployment."""
    found = [said for document in manifests for said in mistakes(document, release)]
    return found or problems(manifests)


def kustomization(folder: Path, parts: list[str]) -> list[str]:
    """Return the lines of a kustomization in `folder` of the base and these components."""
    # Kustomize takes folders by relative paths alone.
    up = "/".join([".."] * (len(folder.parts) - 1))
    lines = ["resources:", f"  - {up}{KUBERNETES}/base", "components:"]
    return lines + [f"  - {up}{KUBERNETES}/components/{part}" for part in parts]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_keeps_to_the_schemas_and_to_our_rules(overlay: str) -> None:
    for release in RELEASES:
        assert wrong(documents(overlay), release) == []


@pytest.mark.slow  # kustomize takes the time of one test for each
@pytest.mark.parametrize("name", COMBINATIONS)
def test_components_fit_together(name: str, tmp_path: Path) -> None:
    lines = kustomization(tmp_path, COMBINATIONS[name])
    (tmp_path / "kustomization.yaml").write_text("\n".join(lines) + "\n")

    assert wrong(render(tmp_path)) == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_wrong_manifest_is_refused(mutation: Mutation) -> None:
    manifests = documents(mutation.overlay)
    mutation.change(manifests)

    assert wrong(manifests) != []


def test_the_overlays_are_those_that_the_page_names() -> None:
    named = set(re.findall(r"`overlays/([\w-]+)`", PAGE.read_text()))

    assert {"cpu", "nvidia", "spot", "s3", "gcs"} <= set(OVERLAYS) == named


def test_pods_of_keda_and_standing_workers_differ_in_their_stay_alone() -> None:
    (standing,) = (p for p in find_pods(documents("cpu")) if p.component == "worker")
    (scaled,) = (p for p in find_pods(documents("nvidia")) if p.component == "worker")
    specs = [dict(standing.spec), dict(scaled.spec)]
    containers = [dict(spec.pop("containers")[0]) for spec in specs]
    for spec in specs:
        for key in ("restartPolicy", "tolerations"):
            spec.pop(key, None)
    for container in containers:
        for key in ("args", "image", "readinessProbe"):
            container.pop(key, None)
        container["resources"]["limits"].pop("nvidia.com/gpu", None)
        container["env"] = [e for e in container["env"] if e["name"] != "TUNER_IMAGE"]

    assert specs[0] == specs[1]
    assert containers[0] == containers[1]


def blocks() -> list[str]:
    """Return the blocks of YAML in the page, with a digest in the place of those left out."""
    found = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [block.replace("sha256:…", f"sha256:{'a' * 64}") for block in found]


def test_manifests_of_the_page_are_right_by_the_schemas() -> None:
    documents_ = [document for block in blocks() for document in load(block)]
    own = [d for d in documents_ if str(d.get("apiVersion", "")).startswith("networking.k8s.io")]

    assert len(own) == 2
    assert [said for d in own for said in mistakes(d, RELEASES[-1])] == []


@pytest.mark.slow
@pytest.mark.parametrize("block", [b for b in blocks() if b.startswith("patches:")])
def test_patches_of_the_page_fit_and_leave_right_manifests(block: str, tmp_path: Path) -> None:
    lines = kustomization(tmp_path, ["scaled-workers", "nvidia", "images", "scaled-workers/pin"])
    (tmp_path / "kustomization.yaml").write_text("\n".join([*lines, block]))
    manifests = render(tmp_path)

    assert [said for d in manifests for said in mistakes(d, RELEASES[-1])] == []
    assert [*confinement(manifests), *secrets(manifests)] == []


def test_every_secret_of_the_manifests_is_explained_and_made() -> None:
    script = (KUBERNETES / "secrets.sh").read_text()
    for name in SECRETS:
        assert f"`{name}`" in PAGE.read_text(), name
        if name != "tuner-tls":
            assert re.search(rf"\bsecret {name} ", script), name
