"""Train classifier and regressor, in one process or several."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "augmentation": ["build_augmentation"],
        "fit": ["train_model"],
        "keras_workers": ["choose_strategy"],
        "recipes.start": ["pretrain_backbone"],
        "runs": [
            "find_or_train_classifier",
            "find_or_train_regressor",
            "train_classifier_run",
            "train_regressor_run",
            "training_facts",
        ],
        "targets": ["class_weights", "training_targets"],
        "workers": ["cluster_settings"],
    },
)
