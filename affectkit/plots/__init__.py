"""Every plot of the kit: functions that take tables, images, logs or results and return a figure.

A notebook shows the figure as the value of a cell; `figure.savefig(path)` keeps it. Names, shapes
or lightness tell things apart, never colour alone.
"""

from affectkit.plots.benchmarks import (
    plot_growth,
    plot_input_costs,
    plot_rates,
    plot_scaling,
    plot_stage_bars,
    plot_trade_off,
)
from affectkit.plots.camera_record import plot_camera_circumplex, plot_camera_record
from affectkit.plots.data import plot_class_balance, plot_sample_grid, plot_training_curves
from affectkit.plots.results import (
    plot_confusion_matrix,
    plot_metric_intervals,
    plot_reliability,
    plot_slices,
)
from affectkit.plots.valence_arousal import (
    draw_circumplex,
    plot_valence_arousal,
    plot_valence_arousal_predictions,
)

__all__ = [
    "draw_circumplex",
    "plot_camera_circumplex",
    "plot_camera_record",
    "plot_class_balance",
    "plot_confusion_matrix",
    "plot_growth",
    "plot_input_costs",
    "plot_metric_intervals",
    "plot_rates",
    "plot_reliability",
    "plot_sample_grid",
    "plot_scaling",
    "plot_slices",
    "plot_stage_bars",
    "plot_trade_off",
    "plot_training_curves",
    "plot_valence_arousal",
    "plot_valence_arousal_predictions",
]
