from .check import drawn_faces as drawn_faces
from .checkpoint import save_checkpoint as save_checkpoint
from .export import export_model as export_model, open_source as open_source
from .formats import convert_to_tflite as convert_to_tflite
from .nano.bundle import read_description as read_description, write_bundle as write_bundle
from .nano.graph import make_portable as make_portable
from .nano.reports import read_device_reports as read_device_reports
