"""The notebooks as one run: papermill, summary.json, report.html; exercises; sweeps; benchmarks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
