"""Widgets for notebooks: the camera."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "camera": ["AffectCamera"],
        "frame_results": ["Snapshot"],
        "sample_clip": ["COURSE", "sample_frames"],
    },
)
