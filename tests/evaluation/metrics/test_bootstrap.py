"""The bootstrap: weights, clusters, agreement with scipy, and coverage on known distributions."""

import time

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import accuracy_score

from affectkit.data import make_table
from affectkit.evaluation import bootstrap_metric
from affectkit.evaluation.metrics.bootstrap import (
    bootstrap_intervals,
    clusters_of,
    percentile_interval,
    resample_weights,
)
from affectkit.evaluation.metrics.classification import resampled_classification_metrics


def all_weights(*arguments, **options):
    return np.concatenate(list(resample_weights(*arguments, **options)))


def test_each_resample_draws_as_many_rows_as_there_are():
    weights = all_weights(50, 200)
    assert weights.shape == (200, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert weights.mean() == 1
    assert (weights == 0).mean() == pytest.approx((1 - 1 / 50) ** 50, abs=0.02)


def test_seed_decides_and_chunks_do_not():
    big, small = all_weights(400_000, 4, seed=5), all_weights(400_000, 3, seed=5)
    assert np.array_equal(big[:3], small)
    assert not np.array_equal(all_weights(30, 4, seed=1), all_weights(30, 4, seed=2))


def test_clusters_are_drawn_whole():
    clusters = np.array([0, 0, 0, 1, 2, 2])
    weights = all_weights(6, 100, clusters=clusters)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 4] == weights[:, 5]).all()
    assert (weights[:, [0, 3, 4]].sum(axis=1) == 3).all()


@pytest.mark.parametrize(
    ("subjects", "expected"),
    [
        (["a", "b", "a", "c"], [0, 1, 0, 2]),
        (["a", None, "a", None], [0, 1, 0, 2]),
        (["a", "b", "c", "d"], None),
        ([None] * 4, None),
    ],
)
def test_subjects_become_clusters_only_where_one_is_shown_twice(subjects, expected):
    table = make_table({"image_id": list("wxyz"), "split": "test", "subject": subjects}, "folder")
    clusters = clusters_of(table)
    assert clusters is None if expected is None else list(clusters) == expected


def test_interval_equals_scipy():
    data = np.random.default_rng(0).exponential(size=300)
    ours = bootstrap_metric(np.mean, data, resamples=4000)
    theirs = scipy.stats.bootstrap(
        (data,), np.mean, n_resamples=4000, method="percentile", rng=1
    ).confidence_interval
    assert ours["value"] == pytest.approx(data.mean())
    assert [ours["low"], ours["high"]] == pytest.approx(list(theirs), abs=0.01)


def test_accuracy_interval_has_the_textbook_width():
    # n = 4,000 and .60: +-1.5 points
    correct = np.arange(4000) < 2400
    interval = bootstrap_metric(accuracy_score, np.ones(4000, bool), correct, resamples=400)
    assert interval["high"] - interval["low"] == pytest.approx(0.0304, abs=0.003)


def test_coverage_of_a_mean_is_near_95_percent():
    generator = np.random.default_rng(7)
    samples = generator.exponential(size=(300, 200))
    hits = 0
    for seed, sample in enumerate(samples):
        low, high = bootstrap_intervals(
            lambda weights, sample=sample: {"mean": weights @ sample / weights.sum(axis=1)},
            len(sample),
            400,
            seed,
        )["mean"]
        hits += low <= 1 <= high
    assert 0.90 <= hits / 300 <= 0.98


def test_clustered_coverage_where_rows_would_be_too_sure():
    generator = np.random.default_rng(8)
    clusters = np.repeat(np.arange(40), 10)
    covered = {"rows": 0, "subjects": 0}
    for seed in range(150):
        values = generator.normal(size=40)[clusters] + generator.normal(0, 0.5, 400)
        for unit, groups in (("rows", None), ("subjects", clusters)):
            low, high = bootstrap_intervals(
                lambda weights, values=values: {"": weights @ values / weights.sum(axis=1)},
                400,
                300,
                seed,
                groups,
            )[""]
            covered[unit] += low <= 0 <= high
    assert covered["subjects"] / 150 >= 0.88
    assert covered["rows"] / 150 <= 0.7


def test_undefined_values_are_left_out():
    assert percentile_interval([np.nan, 1, 1, np.inf]) == (1, 1)
    assert np.isnan(percentile_interval([np.nan])).all()


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"got lengths \[3, 2\]"):
        bootstrap_metric(accuracy_score, np.ones(3), np.ones(2))


def test_every_metric_on_4000_rows_is_quick():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 8, 4000)
    probabilities = generator.dirichlet(np.ones(8), 4000)
    start = time.perf_counter()
    intervals = bootstrap_intervals(
        lambda weights: resampled_classification_metrics(labels, probabilities, weights), 4000
    )
    assert time.perf_counter() - start < 20
    assert all(low < high for low, high in intervals.values())
