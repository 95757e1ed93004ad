"""The version of the kit, which its files name."""

__version__ = "0.1.0"
