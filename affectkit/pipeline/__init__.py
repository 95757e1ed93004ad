"""From pixels to answers: faces are found, cut out, run through the networks and followed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "answers": ["FaceAffect"],
        "detect.boxes": ["write_face_boxes"],
        "detect.detectors": ["Face", "load_detector"],
        "drawing": ["draw_faces"],
        "pipeline": ["AffectPipeline"],
        "predict.run": ["PredictionSummary", "predict_files"],
        "predict.task": ["PredictSettings"],
        "stage_timer": ["END_TO_END", "RESIDUAL", "StageTimer", "samples_needed", "summarise"],
        "tracking": ["FaceTracker"],
        "video.annotate": ["VideoSummary", "process_video"],
        "video.camera": ["run_camera"],
        "video.read": ["read_video"],
        "video.write": ["VideoWriter"],
    },
)
