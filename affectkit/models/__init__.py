"""Networks: built, described by a card, opened by name or path, and run in any runtime."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "batch_norm": ["average_statistics"],
        "build": ["build_classifier", "build_regressor", "get_backbone", "join_models"],
        "cards": ["ModelFile", "checkpoint_names", "find_model"],
        "inference": ["predict_faces", "predict_table"],
        "keras_models": ["save_model"],
        "opening": ["Model", "open_model"],
        "runtimes": [
            "KerasNetwork",
            "LiteRTNetwork",
            "Network",
            "OnnxNetwork",
            "SavedModelNetwork",
        ],
        "temperature": ["apply_temperature", "plausible_expressions"],
    },
)
