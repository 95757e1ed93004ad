"""The version of the kit, which its files name."""

__version__ = "0.2.0"
