"""Networks in other formats, verified against Keras; bundles for the Jetson Nano."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "check": ["drawn_faces"],
        "checkpoint": ["save_checkpoint"],
        "export": ["export_model", "open_source"],
        "formats": ["convert_to_tflite", "freeze"],
        "nano.bundle": ["read_description", "write_bundle"],
        "nano.graph": ["portable_graph"],
        "nano.reports": ["read_benchmarks", "read_conversions"],
    },
)
