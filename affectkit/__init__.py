"""affectkit: teach, learn and benchmark facial affect with numbered notebooks on thin helpers."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
