"""Results as tables of text."""

import pytest

from affectkit.evaluation.tables import interval, metric_name, metric_table, number


def metric(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


def test_a_classifiers_losses_stand_last_and_every_baseline_has_a_column():
    result = {
        "metrics": {"accuracy": metric(0.61234, 0.5, 0.7), "macro_f1": metric(None)},
        "calibration": {"before": {"ece": metric(0.1), "nll": metric(1.5, 1, 2)}},
        "baselines": {"dummy_most_frequent": {"accuracy": 0.125}, "other": {"nll": 2.0}},
    }
    header, rows = metric_table(result)
    assert header == ["metric", "value", "95 % interval", "dummy: most frequent class", "other"]
    assert rows == [
        ["accuracy", "0.612", "0.500 to 0.700", "0.125", "–"],
        ["macro F1", "–", "–", "–", "–"],
        # bootstrapping inflates the calibration error, so it has no interval
        ["calibration error ECE (lower is better)", "0.100", "–", "–", "–"],
        ["log loss NLL (lower is better)", "1.500", "1.000 to 2.000", "–", "2.000"],
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [("valence_ccc", "valence CCC"), ("macro_f1", "macro F1"), ("new_metric", "new metric")],
)
def test_metric_names(name, words):
    assert metric_name(name) == words


def test_numbers():
    assert (number(None), number(0.12345), number(-1)) == ("–", "0.123", "-1.000")
    assert interval(metric(0.1, None, 1.0)) == "–"
    assert interval(metric(0.2, 0.1, 0.25)) == "0.100 to 0.250"
