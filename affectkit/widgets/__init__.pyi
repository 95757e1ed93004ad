from .camera import AffectCamera as AffectCamera
from .frame_results import Snapshot as Snapshot
from .live_figure import live_figure as live_figure
from .local_page import write_page as write_page
from .sample_clip import COURSE as COURSE, sample_frames as sample_frames
