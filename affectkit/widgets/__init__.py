"""Widgets for notebooks: the camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from affectkit.widgets.camera import AffectCamera
    from affectkit.widgets.frame_results import Snapshot

__all__ = ["AffectCamera", "Snapshot"]


def __getattr__(name: str) -> object:
    """Import the camera when it is first asked for, so that `import affectkit.widgets` is quick."""
    if name == "AffectCamera":
        from affectkit.widgets.camera import AffectCamera

        return AffectCamera
    if name == "Snapshot":
        from affectkit.widgets.frame_results import Snapshot

        return Snapshot
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
