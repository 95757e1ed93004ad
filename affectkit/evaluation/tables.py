"""Evaluation results as tables of text, for the terminal, the report and the labels of plots."""

from __future__ import annotations

_METRIC_NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "cohen_kappa": "Cohen's kappa",
    "krippendorff_alpha": "Krippendorff's alpha",
    "roc_auc": "ROC AUC",
    "auc_pr": "AUC-PR",
    "ccc": "CCC",
    "corr": "CORR",
    "sagr": "SAGR",
    "rmse": "RMSE (lower is better)",
}
_CALIBRATION_NAMES = {
    "ece": "calibration error ECE (lower is better)",
    "nll": "log loss NLL (lower is better)",
    "brier": "Brier score (lower is better)",
}
_PLAUSIBLE_NAMES = {
    "coverage": "label is plausible",
    "size": "plausible expressions a face",
}
BASELINE_NAMES = {
    "dummy_most_frequent": "dummy: most frequent class",
    "dummy_prior": "dummy: class shares",
    "dummy_stratified": "dummy: random by shares",
    "constant_mean": "constant: training mean",
    "constant_affectnet": "constant: AffectNet's mean",
    "class_mean_oracle": "oracle: knows the expression",
}


def metric_name(name: str) -> str:
    """Write a metric's name for people: valence_ccc -> valence CCC."""
    names = _METRIC_NAMES | _CALIBRATION_NAMES | _PLAUSIBLE_NAMES
    start, _, end = name.partition("_")
    return names.get(name) or f"{start} {names.get(end, end)}"


def number(value: float | None) -> str:
    """Write a number with three decimals; "–" where it is undefined."""
    return "–" if value is None else f"{value:.3f}"


def interval(entry: dict[str, float | None]) -> str:
    """Write the interval of one metric: 0.612 to 0.655."""
    if entry["low"] is None or entry["high"] is None:
        return "–"
    return f"{entry['low']:.3f} to {entry['high']:.3f}"


def metric_table(result: dict) -> tuple[list[str], list[list[str]]]:
    """Lay a result out: header (metric, value, 95 % interval, a column a baseline) and rows.

    A classifier's losses and calibration error, before temperature scaling, and how plausible
    expressions hold the label, stand last.
    """
    metrics = dict(result["metrics"])
    calibration = result.get("calibration", {}).get("before", {})
    metrics |= {name: calibration[name] for name in _CALIBRATION_NAMES if name in calibration}
    plausible = result.get("plausible", {})
    metrics |= {name: plausible[name] for name in _PLAUSIBLE_NAMES if name in plausible}
    baselines = result.get("baselines", {})
    header = ["metric", "value", "95 % interval", *(BASELINE_NAMES.get(b, b) for b in baselines)]
    rows = [
        [
            metric_name(name),
            number(entry["value"]),
            interval(entry),
            *(number(values.get(name)) for values in baselines.values()),
        ]
        for name, entry in metrics.items()
    ]
    return header, rows
