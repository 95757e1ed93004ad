"""Networks: built, described by a card, opened by name or path, and run in any runtime."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
