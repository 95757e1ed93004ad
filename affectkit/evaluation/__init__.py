"""Evaluate a model's predictions on a table: one dict with everything a report needs.

The result is plain JSON (undefined numbers are null), schema version 1. Both tasks have:

=====================  ===========================================================================
schema_version         1
name                   what `compare` calls the result
task                   "classification" or "regression"
dataset, protocol      from the table; "7class" in a protocol drops Contempt (see
                       `protocol_probabilities`)
split                  "test", or another of `affectkit.data.table.SPLITS`
rows, rows_ignored     evaluated, and left out because the task's label is missing
rows_digest            SHA-256 of the sorted image ids of the evaluated rows, one a line
metrics                {name: {value, low, high}}: 95 % bootstrap interval
baselines              {name: {metric: value}}: dummy_most_frequent, dummy_prior,
                       dummy_stratified; or constant_mean, constant_affectnet, class_mean_oracle
baselines_fitted_on    "train" or "evaluated rows" (no usable training table was given)
slices                 {column: [{group, rows, small, <metric>: {value, low, high}}]}; `small`
                       marks groups under 20 rows
slices_skipped         {column: reason}
bootstrap              {method, confidence, resamples, seed, unit, clusters}; unit is "subject"
                       where subjects are known and shown more than once, else "row"
=====================  ===========================================================================

Classification adds:

=====================  ===========================================================================
classes                names, in the order of the matrix
macro_classes          those that averages run over: with at least one true row
confusion_matrix       counts, rows true, columns predicted
per_class              {name: {precision, recall, f1, n}}; 0 where nothing was predicted
calibration            {bins, temperature, before, after}; the last two (after: null without a
                       temperature) {ece, nll, brier: {value, low, high}, table: [{low, high,
                       rows, confidence, accuracy}]}. ECE has no interval: resampling inflates it
plausible              only with a share: {share, coverage, size}; coverage is how often the
                       plausible expressions hold the label, size how many these are
noise_ceiling          only where the table has further annotations: see below
=====================  ===========================================================================

The noise ceiling tells how good a classifier can get against noisy labels. With another annotator's
labels (the column expression_second), it holds annotator_agreement (share of equal labels) and
annotator_kappa; with what the face was made to show (expression_clean), label_accuracy (how often
the evaluated label is the clean one, the accuracy of a perfect model) and accuracy_against_clean.

Regression adds `derived_rows`: how many targets were derived from expressions instead of being
annotated. Numbers on derived targets are no evidence about people's ratings.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
