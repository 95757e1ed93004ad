"""affectkit: teach, learn and benchmark facial affect with numbered notebooks on thin helpers."""

import lazy_loader

from affectkit.version import __version__

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "data": ["load_splits", "load_table", "read_image"],
        "models": ["open_model"],
        "pipeline": ["AffectPipeline", "FaceAffect"],
    },
)
__all__ += ["__version__"]
