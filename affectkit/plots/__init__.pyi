from .camera_record import (
    plot_camera_circumplex as plot_camera_circumplex,
    plot_camera_record as plot_camera_record,
)
from .data import (
    plot_class_balance as plot_class_balance,
    plot_sample_grid as plot_sample_grid,
    plot_training_curves as plot_training_curves,
)
from .results import (
    plot_confusion_matrix as plot_confusion_matrix,
    plot_metric_intervals as plot_metric_intervals,
    plot_reliability as plot_reliability,
    plot_slices as plot_slices,
)
from .valence_arousal import (
    plot_valence_arousal as plot_valence_arousal,
    plot_valence_arousal_predictions as plot_valence_arousal_predictions,
)
