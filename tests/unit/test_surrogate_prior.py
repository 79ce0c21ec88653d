"""What a prior learns from earlier studies, and what must not change it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import qmc

from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.history.building import build_prior
from tuner.surrogate.history.prior import Prior
from tuner.surrogate.history.source import Source

COLUMNS = Columns(kinds=("real", "real", "real", "choice"), sizes=(0, 0, 0, 3))


def points(n: int, seed: int) -> Floats:
    """Points that fill the space; the third column is active under the last choice only."""
    u = qmc.Sobol(4, rng=np.random.default_rng(seed)).random(128)[:n]
    u[:, 3] = np.floor(3 * u[:, 3])
    u[:, 2] = np.where(u[:, 3] == 2, u[:, 2], np.nan)
    return u


CANDIDATES = points(128, 1)


def bowl(x: Floats, centre: float) -> Floats:
    """Best at `centre` in the first two columns, under the first choice."""
    return ((x[:, :2] - centre) ** 2).sum(axis=1) + 0.3 * (x[:, 3] != 0)


def study(
    seed: int, n: int = 40, f: Callable[[Floats], Floats] | None = None, **more: object
) -> Source:
    """A study of the family: its optimum is near 0.3, its unit is its own."""
    rng = np.random.default_rng(seed)
    centre = 0.3 + 0.05 * float(rng.normal())
    x = points(n, 100 + seed)
    y = (f or (lambda x: bowl(x, centre)))(x)
    return Source(name=f"study-{seed}", x=x, y=10.0 ** rng.integers(-3, 4) * y + seed, **more)


def prior_of(sources: list[Source], **more: object) -> Prior:
    prior = build_prior(COLUMNS, CANDIDATES, sources, **more)
    assert prior is not None
    return prior


FAMILY = [study(seed) for seed in range(8)]


@pytest.fixture(scope="module")
def learnt() -> Prior:
    return prior_of(FAMILY)


@pytest.mark.parametrize("count", [1, 2, 8])
def test_the_first_proposal_is_near_the_optimum_of_the_family(count: int) -> None:
    first = prior_of(FAMILY[:count]).portfolio[0]

    assert np.abs(first[:2] - 0.3).max() < 0.15
    assert first[3] == 0


@pytest.mark.parametrize("count", [1, 2, 8])
def test_the_first_proposal_is_what_some_study_found_to_be_best(count: int) -> None:
    first = prior_of(FAMILY[:count]).portfolio[0]

    winners = [source.x[np.argmin(source.y)] for source in FAMILY[:count]]
    assert any(np.array_equal(first, winner, equal_nan=True) for winner in winners)


def test_a_best_configuration_outside_the_space_is_not_proposed() -> None:
    inside = study(0)
    x = inside.x.copy()
    x[np.argmin(inside.y), 0] = 1.4

    portfolio = prior_of([replace(inside, x=x)]).portfolio

    assert np.nanmax(portfolio[:, :3]) <= 1.0
    assert np.abs(portfolio[0, :2] - 0.3).max() < 0.3


def test_the_mean_orders_points_as_the_family_does(learnt: Prior) -> None:
    x = points(128, 7)

    assert np.corrcoef(learnt.mean(x), bowl(x, 0.3))[0, 1] > 0.9
    assert learnt.likeness > 0.8


def test_the_portfolio_covers_what_studies_disagree_on() -> None:
    left = [study(s, f=lambda x: bowl(x, 0.15)) for s in range(3)]
    right = [study(s + 3, f=lambda x: bowl(x, 0.85)) for s in range(3)]

    prior = prior_of([*left, *right])

    first = prior.portfolio[:4, 0]
    assert first.min() < 0.35
    assert first.max() > 0.65


def test_the_order_of_sources_does_not_matter(learnt: Prior) -> None:
    assert prior_of(FAMILY[::-1]).key == learnt.key


def test_a_cache_changes_nothing_and_saves_what_is_not_modelled_together() -> None:
    many = [study(seed, n=12) for seed in range(36)]
    cache: dict[str, object] = {}

    first = prior_of(many, cache=cache)
    kept = dict(cache)
    second = prior_of(many, cache=cache)

    assert first.key == second.key == prior_of(many).key
    assert sum("pooled" in name for name in kept) == 5
    assert len(first.names) == 36
    assert cache.keys() == kept.keys()


def test_bytes_give_the_same_prior_back(learnt: Prior) -> None:
    again = Prior.from_bytes(learnt.to_bytes())

    assert again.key == learnt.key
    assert again.to_bytes() == learnt.to_bytes()
    x = points(16, 3)
    np.testing.assert_array_equal(again.features(x), learnt.features(x))
    assert again.contributions == learnt.contributions
    assert again.nearest(x[0]) == learnt.nearest(x[0])


@pytest.mark.parametrize("cut", [0, 10, 1000, -1])
def test_damaged_bytes_are_refused(learnt: Prior, cut: int) -> None:
    with pytest.raises(ValueError, match="not a packed model"):
        Prior.from_bytes(learnt.to_bytes()[:cut])


def test_copies_of_a_study_count_once(learnt: Prior) -> None:
    copies = [replace(FAMILY[2], name=f"copy-{i}") for i in range(10)]
    shuffled = np.random.default_rng(0).permutation(len(FAMILY[3]))
    half = replace(
        FAMILY[3],
        name="part",
        x=FAMILY[3].x[shuffled][:20].astype(np.float32),
        y=FAMILY[3].y[shuffled][:20].astype(np.float32),
        rung=FAMILY[3].rung[:20],
    )

    prior = prior_of([*copies, half, *FAMILY])

    x = points(64, 5)
    np.testing.assert_array_equal(prior.features(x), learnt.features(x))
    np.testing.assert_array_equal(prior.portfolio, learnt.portfolio)
    left_out = {item.name: item.reason for item in prior.contributions if not item.rows}
    assert len(left_out) == 11
    assert left_out["part"] == "a copy of study-3"


def test_one_huge_bad_study_does_not_outvote_good_ones() -> None:
    huge = study(50, n=128, f=lambda x: -bowl(x, 0.3))
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.random((5000, 3)), rng.integers(0, 3, 5000)])
    huge = Source(name="huge", x=x, y=-bowl(x, 0.3))

    prior = prior_of([*FAMILY, huge])

    assert np.abs(prior.portfolio[0][:2] - 0.3).max() < 0.15
    worst = min(prior.contributions, key=lambda item: item.agreement or 0.0)
    assert worst.name == "huge"
    assert (worst.agreement or 0.0) < 0


def test_a_column_that_a_source_does_not_know_changes_nothing() -> None:
    blind = [
        Source(
            name=s.name, x=np.column_stack([s.x[:, 0], np.full(len(s), np.nan), s.x[:, 2:]]), y=s.y
        )
        for s in FAMILY
    ]

    prior = prior_of(blind)

    x = points(32, 9)
    moved = x.copy()
    moved[:, 1] = 1.0 - moved[:, 1]
    np.testing.assert_allclose(prior.features(x), prior.features(moved), atol=1e-9)
    # The target itself may well depend on it.
    assert (prior.lengths > 0).all()


def test_a_source_that_knows_too_few_columns_is_left_out() -> None:
    x = np.full((20, 4), np.nan)
    x[:, 0] = np.linspace(0, 1, 20)
    narrow = Source(name="narrow", x=x, y=x[:, 0])

    prior = prior_of([*FAMILY, narrow])

    (reason,) = [item.reason for item in prior.contributions if item.name == "narrow"]
    assert reason == "knows 1 of 4 parameters; at least half are needed"


def test_what_teaches_nothing_gives_no_prior() -> None:
    x = points(20, 0)

    assert build_prior(COLUMNS, CANDIDATES, []) is None
    assert build_prior(COLUMNS, CANDIDATES, [Source(name="a", x=x, y=np.ones(20))]) is None
    assert build_prior(COLUMNS, CANDIDATES, [Source(name="b", x=x[:3], y=x[:3, 0])]) is None
    assert build_prior(COLUMNS, CANDIDATES, [Source(name="c", x=x, y=np.full(20, np.nan))]) is None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("studies", "trials"), [(8, 40), (2, 15), (1, 60)])
def test_noise_gives_no_prior(studies: int, trials: int, seed: int) -> None:
    rng = np.random.default_rng([seed, studies])
    noise = [
        Source(name=f"noise-{i}", x=points(trials, 100 * seed + i), y=rng.random(trials))
        for i in range(studies)
    ]

    assert build_prior(COLUMNS, CANDIDATES, noise) is None


def test_noise_does_not_hide_what_studies_have_in_common() -> None:
    def noisy(x: Floats) -> Floats:
        y = bowl(x, 0.3)
        return y + y.std() * np.random.default_rng(len(x)).normal(size=len(x))

    prior = prior_of([study(seed, n=40 + seed, f=noisy) for seed in range(8)])

    assert np.abs(prior.portfolio[0][:2] - 0.3).max() < 0.2


def test_a_weight_by_hand_counts() -> None:
    left = study(1, f=lambda x: bowl(x, 0.1))
    right = study(2, f=lambda x: bowl(x, 0.9), weight=20.0)

    assert prior_of([left, right]).portfolio[0][0] > 0.7


def test_the_nearest_historic_trials_are_named(learnt: Prior) -> None:
    best = FAMILY[4].x[int(np.argmin(FAMILY[4].y))]

    nearest = learnt.nearest(best)

    assert nearest[0]["source"] == "study-4"
    assert nearest[0]["row"] == int(np.argmin(FAMILY[4].y))
    assert nearest[0]["distance"] == pytest.approx(0.0, abs=1e-3)
    assert len(nearest) == 3
