from .classification import (
    evaluate_classification as evaluate_classification,
    worst_mistakes as worst_mistakes,
)
from .metrics.baselines import (
    constant_predictions as constant_predictions,
    dummy_probabilities as dummy_probabilities,
)
from .metrics.bootstrap import bootstrap_metric as bootstrap_metric
from .metrics.calibration import (
    expected_calibration_error as expected_calibration_error,
    fit_plausible_share as fit_plausible_share,
    fit_temperature as fit_temperature,
    reliability_table as reliability_table,
)
from .metrics.classification import classification_metrics as classification_metrics
from .metrics.regression import regression_metrics as regression_metrics
from .probabilities import protocol_probabilities as protocol_probabilities
from .regression import evaluate_regression as evaluate_regression
from .results import (
    compare as compare,
    published_results as published_results,
    read_metrics as read_metrics,
    write_metrics as write_metrics,
)
from .run import (
    EvaluationRun as EvaluationRun,
    EvaluationSettings as EvaluationSettings,
    NoLabelsError as NoLabelsError,
    evaluate_run as evaluate_run,
)
