"""The command `affectkit`. Heavy libraries are imported by the commands, so that help is quick."""

from affectkit.cli.application import app

__all__ = ["app"]
