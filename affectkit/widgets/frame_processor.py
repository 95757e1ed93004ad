"""One session of frames: each goes through the pipeline; times, record and last frame are kept."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter

import numpy as np

from affectkit.pipeline.pipeline import AffectPipeline, FaceAffect
from affectkit.pipeline.stage_timer import END_TO_END, StageTimer
from affectkit.widgets.frame_results import FrameTimes, Snapshot
from affectkit.widgets.sample_clip import draw_still
from affectkit.widgets.session_record import SessionRecord

_KEPT_FRAMES = 100

Pipeline = Callable[[np.ndarray], list[FaceAffect]]


class FrameProcessor:
    """Runs a pipeline on frame after frame, one at a time, whichever thread they come from.

    The pipeline is what `AffectPipeline` loads, or one, or a function from an image (uint8, RGB) to
    faces. Since `begin`: `frames` went through, in `errors` the pipeline raised, `snapshot` is the
    last frame and `last_error` the traceback of the last exception.
    """

    def __init__(
        self,
        pipeline: str | Path | AffectPipeline | Pipeline | None,
        record: SessionRecord | None,
        smoothing: float = 0.0,
    ) -> None:
        if not callable(pipeline):
            model = () if pipeline is None else (pipeline,)
            timer = StageTimer(keep=_KEPT_FRAMES)
            pipeline = AffectPipeline(*model, smoothing=smoothing, track=True, timer=timer)
        self.pipeline, self.record = pipeline, record
        self.times = FrameTimes()
        self.snapshot: Snapshot | None = None
        self.last_error = ""
        self.frames = self.errors = 0
        self._timer = getattr(pipeline, "timer", None) or StageTimer(keep=_KEPT_FRAMES)
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Start another session: faces are numbered from 0, record and times are empty."""
        with self._lock:
            forget_faces = getattr(self.pipeline, "forget_faces", None)
            if forget_faces is not None:
                forget_faces()
            self.times.clear()
            if self.record is not None:
                self.record.clear()
            self.frames = self.errors = 0
            self.last_error = ""

    def still(self) -> tuple[bytes, str]:
        """Give `draw_still` of the pipeline, without a trace in what is kept.

        A function that is not ours is not called: its user may count the frames.
        """
        with self._lock:
            if not isinstance(self.pipeline, AffectPipeline):
                return draw_still(lambda image: [])
            self.pipeline.forget_faces()
            drawn = draw_still(self.pipeline)
            self.pipeline.forget_faces()
            return drawn

    def process(
        self,
        image: np.ndarray,
        time: float,
        number: int,
        before: Mapping[str, float] | None = None,
    ) -> tuple[list[FaceAffect] | None, dict[str, float]]:
        """Run the pipeline on a frame (uint8, RGB) of some second and number.

        `before` has the milliseconds of what was done to the frame earlier, by stage. Gives the
        faces, None where the pipeline raised; and `before` with the stages of the pipeline, and
        "residual", which no stage accounts for.
        """
        with self._lock:
            timer = self._timer
            timer.start_frame()
            start = perf_counter()
            try:
                faces = list(self.pipeline(image))
            except Exception:  # noqa: BLE001  whatever a user's pipeline raises, the stream goes on
                self.errors += 1
                self.last_error = traceback.format_exc()
                return None, dict(before or {})
            whole = 1e3 * (perf_counter() - start)
            stages = {name: value / 1e6 for name, value in timer.end_frame().items()}
            del stages[END_TO_END]
            milliseconds = {**(before or {}), **stages, "residual": whole - sum(stages.values())}
            if self.record is not None:
                self.record.add(time, number, faces)
            self.times.add_kernel(number, milliseconds)
            self.snapshot = Snapshot(image, faces, time)
            self.frames += 1
            return faces, milliseconds
