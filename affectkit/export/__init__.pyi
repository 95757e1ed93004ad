from .check import drawn_faces as drawn_faces
from .checkpoint import save_checkpoint as save_checkpoint
from .export import export_model as export_model, open_source as open_source
from .formats import convert_to_tflite as convert_to_tflite, freeze as freeze
from .nano.bundle import read_description as read_description, write_bundle as write_bundle
from .nano.graph import portable_graph as portable_graph
from .nano.reports import read_benchmarks as read_benchmarks, read_conversions as read_conversions
