from .data import load_splits as load_splits, load_table as load_table, read_image as read_image
from .models import open_model as open_model
from .pipeline import AffectPipeline as AffectPipeline, FaceAffect as FaceAffect
from .version import __version__ as __version__
