"""Networks in other formats, verified against Keras; bundles for the Jetson Nano."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
