"""AffectFaces: a renderer of synthetic expressive faces with exact ground truth.

The head is MakeHuman's CC0 base mesh (see ``LICENSE-CC0.txt``). `render.render_face` gives one
image with its ground truth, `dataset.render_dataset` writes a data set in AffectNet's layout.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
