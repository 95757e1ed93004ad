"""RMSE, CORR, SAGR and CCC against cases done by hand, scipy, scikit-learn and published values."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr
from sklearn.metrics import root_mean_squared_error

from affectkit.evaluation import regression_metrics
from affectkit.evaluation.metrics.regression import REGRESSION_METRICS, axis_metrics
from affectkit.labels import VALENCE_AROUSAL

UNIT = st.floats(-1, 1, allow_nan=False, width=32)


@pytest.fixture(autouse=True)
def _no_warning_is_ever_given():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_hand_computed_case():
    # means 0 and .1, variances .5 and .2, covariance .3 (population, n = 4)
    truth = [-1.0, 0.0, 0.0, 1.0]
    predictions = [-0.5, 0.1, 0.1, 0.7]
    values = axis_metrics(truth, predictions)
    covariance, variance = 0.3, (0.6**2 + 0.6**2) / 4
    assert values["ccc"] == pytest.approx(2 * covariance / (0.5 + variance + 0.1**2))
    assert values["corr"] == pytest.approx(covariance / np.sqrt(0.5 * variance))
    assert values["sagr"] == 0.5  # a true 0 does not agree with .1
    assert values["rmse"] == pytest.approx(np.sqrt((0.25 + 0.01 + 0.01 + 0.09) / 4))


def test_against_scipy_and_scikit_learn():
    generator = np.random.default_rng(0)
    truth = generator.uniform(-1, 1, 500)
    predictions = 0.5 * truth + generator.normal(0, 0.3, 500) + 0.1
    values = axis_metrics(truth, predictions)
    assert values["corr"] == pytest.approx(pearsonr(truth, predictions).statistic)
    assert values["rmse"] == pytest.approx(root_mean_squared_error(truth, predictions))
    # Lin: CCC = CORR times the bias correction 2 / (v + 1/v + u^2)
    scale = truth.std() / predictions.std()
    shift = (truth.mean() - predictions.mean()) / np.sqrt(truth.std() * predictions.std())
    assert values["ccc"] == pytest.approx(values["corr"] * 2 / (scale + 1 / scale + shift**2))


def test_zero_agrees_with_zero_alone():
    assert axis_metrics([0.0, 0.0, 0.5, -0.5], [0.0, 0.1, 0.0, -0.1])["sagr"] == 0.5


def test_constants():
    varied, constant = np.linspace(-1, 1, 9), np.full(9, 0.1, np.float32)
    of_prediction = axis_metrics(varied, constant)
    assert of_prediction["ccc"] == of_prediction["corr"] == 0
    for predictions in (varied, constant):
        of_truth = axis_metrics(constant, predictions)
        assert np.isnan(of_truth["ccc"])
        assert np.isnan(of_truth["corr"])
    assert axis_metrics(constant, constant)["rmse"] == 0


def test_rows_with_nan_do_not_count():
    truth, predictions = np.array([0.1, -0.4, 0.8, np.nan]), np.array([0.2, -0.1, 0.5, 0.9])
    assert axis_metrics(truth, predictions) == axis_metrics(truth[:3], predictions[:3])


def test_no_row_is_undefined():
    assert all(np.isnan(value) for value in axis_metrics([np.nan], [0.3]).values())


def test_weights_repeat_rows():
    generator = np.random.default_rng(1)
    truth, predictions = generator.uniform(-1, 1, (2, 40, 2))
    truth[3, 0] = np.nan
    counts = generator.integers(0, 4, (5, 40))
    resampled = regression_metrics(truth, predictions, counts)
    for position, count in enumerate(counts):
        rows = np.repeat(np.arange(40), count)
        expected = regression_metrics(truth[rows], predictions[rows])
        assert {k: v[position] for k, v in resampled.items()} == pytest.approx(expected)


def test_names_and_mean():
    truth, predictions = np.random.default_rng(2).uniform(-1, 1, (2, 30, 2))
    values = regression_metrics(truth, predictions)
    assert set(values) == set(REGRESSION_METRICS)
    assert values["mean_ccc"] == (values["valence_ccc"] + values["arousal_ccc"]) / 2


def test_published_constant_and_oracle_errors_follow_from_the_class_statistics():
    """AffectNet's 4,000 rows: the mean scores .466 / .379, the class means score .169 / .146."""
    stats = np.array(list(VALENCE_AROUSAL.values()))
    within = (stats[:, 2:4] ** 2).mean(axis=0)
    assert np.sqrt(within) == pytest.approx([0.169, 0.146], abs=0.001)
    between = stats[:, :2].var(axis=0)
    assert np.sqrt(within + between) == pytest.approx([0.466, 0.379], abs=0.001)


@pytest.mark.parametrize("shapes", [((4, 2), (3, 2)), ((4,), (4,)), ((4, 3), (4, 3))])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="expected valence and arousal"):
        regression_metrics(*(np.zeros(shape) for shape in shapes))


def test_axes_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="got 2 and 3"):
        axis_metrics([0.1, 0.2, 0.3], [0.1, 0.2])


@settings(max_examples=80, deadline=None)
@given(arrays(float, (2, 12), elements=UNIT), st.randoms(use_true_random=False))
def test_bounds_permutation_and_perfection(pair, random):
    truth, predictions = pair
    values = axis_metrics(truth, predictions)
    for name in ("ccc", "corr"):
        assert np.isnan(values[name]) or -1 <= values[name] <= 1
    if not np.isnan(values["ccc"]):
        assert abs(values["ccc"]) <= abs(values["corr"]) + 1e-9
    assert 0 <= values["sagr"] <= 1
    assert 0 <= values["rmse"] <= 2
    order = random.sample(range(12), 12)
    shuffled = axis_metrics(truth[order], predictions[order])
    assert shuffled == pytest.approx(values, nan_ok=True, abs=1e-6)
    perfect = axis_metrics(truth, truth)
    assert perfect["rmse"] == 0
    assert perfect["sagr"] == 1
    assert np.isnan(perfect["ccc"]) or perfect["ccc"] == pytest.approx(1)
