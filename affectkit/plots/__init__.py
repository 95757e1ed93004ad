"""Every plot of the kit: functions that take tables, images, logs or results and return a figure.

A notebook shows the figure as the value of a cell; `figure.savefig(path)` keeps it. Names, shapes
or lightness tell things apart, never colour alone.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "benchmarks": [
            "plot_growth",
            "plot_input_costs",
            "plot_rates",
            "plot_scaling",
            "plot_stage_bars",
            "plot_stress",
            "plot_trade_off",
        ],
        "camera_record": ["plot_camera_circumplex", "plot_camera_record"],
        "data": ["plot_class_balance", "plot_sample_grid", "plot_training_curves"],
        "results": [
            "plot_confusion_matrix",
            "plot_metric_intervals",
            "plot_reliability",
            "plot_slices",
        ],
        "valence_arousal": [
            "plot_valence_arousal",
            "plot_valence_arousal_predictions",
        ],
    },
)
