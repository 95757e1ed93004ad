from .answers import FaceAffect as FaceAffect
from .detect.boxes import write_face_boxes as write_face_boxes
from .detect.detectors import Face as Face, load_detector as load_detector
from .drawing import draw_faces as draw_faces
from .pipeline import AffectPipeline as AffectPipeline
from .predict.run import PredictionSummary as PredictionSummary, predict_files as predict_files
from .predict.task import PredictSettings as PredictSettings
from .stage_timer import (
    END_TO_END as END_TO_END,
    RESIDUAL as RESIDUAL,
    StageTimer as StageTimer,
    samples_needed as samples_needed,
    summarise as summarise,
)
from .tracking import FaceTracker as FaceTracker
from .video.annotate import VideoSummary as VideoSummary, process_video as process_video
from .video.camera import run_camera as run_camera
from .video.read import read_video as read_video
from .video.write import VideoWriter as VideoWriter
