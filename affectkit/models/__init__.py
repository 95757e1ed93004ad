"""Networks: built, described by a card, opened by name or path, and run in any runtime."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "batch_norm": ["average_statistics"],
        "build": ["build_classifier", "build_regressor", "get_backbone", "join_models"],
        "cards": ["checkpoint_names", "find_checkpoint", "read_manifest"],
        "inference": ["predict_faces", "predict_table"],
        "keras_models": ["LoadedModel", "load_model", "save_model"],
        "opening": [
            "Networks",
            "load_any_models",
            "load_checkpoint",
            "load_networks",
            "load_source",
        ],
        "runtimes": [
            "KerasNetwork",
            "LiteRTNetwork",
            "Network",
            "OnnxNetwork",
            "SavedModelNetwork",
        ],
        "temperature": ["apply_temperature"],
    },
)
