"""Plots show the numbers they are given, and draw without a warning."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from affectkit import plots
from affectkit.data import make_table
from affectkit.evaluation import evaluate_classification, evaluate_regression
from affectkit.plots.results import save_result_figures


@pytest.fixture(autouse=True, scope="module")
def _agg_and_no_warnings():
    plt.switch_backend("Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture(scope="module")
def table():
    generator = np.random.default_rng(0)
    return make_table(
        {
            "image_id": [str(row) for row in range(96)],
            "split": "test",
            "expression": np.arange(96) % 8,
            "valence": generator.uniform(-1, 1, 96),
            "arousal": generator.uniform(-1, 1, 96),
            "gender": ["female", "male"] * 48,
            "mask": ["yes"] * 9 + ["no"] * 87,
        },
        "folder",
    )


@pytest.fixture(scope="module")
def classification(table):
    probabilities = np.random.default_rng(1).dirichlet(np.ones(8), 96)
    return evaluate_classification(probabilities, table, temperature=1.5, bootstrap=30, name="m")


@pytest.fixture(scope="module")
def regression(table):
    predictions = table[["valence", "arousal"]].to_numpy() * 0.5
    return evaluate_regression(predictions, table, bootstrap=30)


def texts(figure):
    """Draw the figure and give every string in it."""
    figure.canvas.draw()
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    for axes in figure.axes:
        found += [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()]
        found += [tick.get_text() for tick in (*axes.get_xticklabels(), *axes.get_yticklabels())]
        legend = axes.get_legend()
        found += [] if legend is None else [text.get_text() for text in legend.get_texts()]
    return found


def test_figures_do_not_pile_up_in_pyplot(table):
    before = plt.get_fignums()
    plots.plot_valence_arousal(table)
    assert plt.get_fignums() == before


def test_class_balance(table):
    figure = plots.plot_class_balance({"train": table, "test": table.head(10)})
    shown = texts(figure)
    assert {"train: 96 rows", "test: 10 rows", "12 (12.5 %)", "2 (20.0 %)", "Contempt"} <= set(
        shown
    )
    with pytest.raises(ValueError, match="at least one table"):
        plots.plot_class_balance({})


def test_valence_arousal_labels_every_expression(table):
    shown = texts(plots.plot_valence_arousal(table))
    assert {"Neutral", "Happy", "Fear", "96 faces"} <= set(shown)


def test_valence_arousal_without_annotations_and_with_derived_ones(table):
    assert "0 faces" in texts(plots.plot_valence_arousal(table.assign(valence=np.nan)))
    derived = plots.plot_valence_arousal(table.assign(derived_valence_arousal=True))
    assert any("derived from expressions" in text for text in texts(derived))


def test_sample_grid():
    grey = np.zeros((48, 48), np.uint8)
    colour = np.full((20, 10, 3), 255, np.uint8)
    figure = plots.plot_sample_grid([grey, colour, grey], ["one", "two", "three"], columns=2)
    assert [axes.get_title() for axes in figure.axes] == ["one", "two", "three", ""]
    assert figure.axes[0].images[0].get_clim() == (0, 255)
    figure.canvas.draw()
    with pytest.raises(ValueError, match="got 1 and 2"):
        plots.plot_sample_grid([grey], ["one", "two"])
    with pytest.raises(ValueError, match="got 0 and 0"):
        plots.plot_sample_grid([])


def test_training_curves(tmp_path):
    log = pd.DataFrame(
        {
            "epoch": [0, 1, 2],
            "loss": [2.0, 1.0, 0.5],
            "val_loss": [2.1, 1.2, 1.3],
            "accuracy": [0.2, 0.5, 0.7],
            "learning_rate": [1e-3] * 3,
        }
    )
    log.to_csv(tmp_path / "log.csv", index=False)
    for history in (log, log.to_dict("list"), tmp_path / "log.csv"):
        figure = plots.plot_training_curves(history)
        assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
        assert "lowest loss: epoch 2" in texts(figure)
        training, validation = figure.axes[0].lines[:2]
        assert training.get_ydata().tolist() == [2.0, 1.0, 0.5]
        assert validation.get_ydata().tolist() == [2.1, 1.2, 1.3]
    with pytest.raises(ValueError, match="at least one epoch"):
        plots.plot_training_curves(log.head(0))


def test_confusion_matrix(classification):
    figure = plots.plot_confusion_matrix(classification)
    counts = np.array(classification["confusion_matrix"])
    cells = [text.get_text() for text in figure.axes[0].texts]
    assert cells == [f"{n / 12:.0%}\n{n}" for n in counts.ravel()]
    accuracy = classification["metrics"]["accuracy"]["value"]
    assert f"Accuracy {accuracy:.1%} (m, folder, 96 rows)" in texts(figure)


def test_reliability(classification, table):
    shown = texts(plots.plot_reliability(classification))
    ece = classification["calibration"]["before"]["ece"]["value"]
    assert any(f"as predicted: ECE {ece:.3f}" in text for text in shown)
    assert any("temperature 1.50" in text for text in shown)
    single = evaluate_classification(np.full((96, 8), 0.125), table, bootstrap=0)
    assert not any("temperature" in text for text in texts(plots.plot_reliability(single)))


def test_slices(classification, regression):
    shown = texts(plots.plot_slices(classification))
    assert {"female (n=48)", "yes (n=9)", "gender", "mask"} <= set(shown)
    shown = texts(plots.plot_slices(regression, "arousal_rmse"))
    assert "Happy (n=12)" in shown
    assert any("arousal RMSE" in text for text in shown)
    shown = texts(plots.plot_slices(classification | {"slices": {}}))
    assert "This data set has no slice column, so there are no groups." in shown


def test_slices_of_constant_values_are_drawn_without_an_overall_line(table):
    constant = table.assign(valence=0.0, arousal=0.0)
    result = evaluate_regression(np.zeros((96, 2)), constant, bootstrap=0)
    assert result["metrics"]["valence_ccc"]["value"] is None
    assert "female (n=48)" in texts(plots.plot_slices(result))


def test_metric_intervals(classification, regression, table):
    entry = classification["metrics"]["roc_auc"]
    text = f"{entry['value']:.3f}  [{entry['low']:.3f}, {entry['high']:.3f}]"
    assert text in texts(plots.plot_metric_intervals(classification))
    assert "valence CCC" in texts(plots.plot_metric_intervals(regression))
    one_row = evaluate_regression([[0, 0]], table.head(1), bootstrap=5)
    assert "mean CCC" in texts(plots.plot_metric_intervals(one_row))


def test_valence_arousal_predictions(table):
    truth = table[["valence", "arousal"]].to_numpy()
    figure = plots.plot_valence_arousal_predictions(truth, truth)
    assert "valence: CCC 1.000, RMSE 0.000" in texts(figure)


def test_what_there_is_to_draw_of_a_result_is_saved(classification, regression, table, tmp_path):
    probabilities = np.random.default_rng(1).dirichlet(np.ones(8), 96)
    common = {"metrics", "slices"}
    for result, predictions, own in (
        (classification, probabilities, {"confusion_matrix", "reliability"}),
        (regression | {"slices": {}}, probabilities[:, :2], {"valence_arousal"}),
    ):
        folder = tmp_path / result["task"]
        save_result_figures(result, predictions, table, folder)
        names = common | own if result["slices"] else own | {"metrics"}
        assert {path.name for path in folder.iterdir()} == {f"{name}.png" for name in names}
