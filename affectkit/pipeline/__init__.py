"""From pixels to answers: faces are found, cut out, run through the networks and followed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
