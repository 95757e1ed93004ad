"""affectkit: teach, learn and benchmark facial affect with numbered notebooks on thin helpers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from affectkit.version import __version__

if TYPE_CHECKING:
    from affectkit.pipeline.pipeline import AffectPipeline, FaceAffect

__all__ = ["AffectPipeline", "FaceAffect", "__version__"]


def __getattr__(name: str) -> object:
    """Import the pipeline when it is first asked for, so that `import affectkit` is quick."""
    if name in ("AffectPipeline", "FaceAffect"):
        from affectkit.pipeline import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
