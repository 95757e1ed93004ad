"""The camera widget: faces with expression, valence and arousal, live in a notebook."""

from __future__ import annotations

import base64
import os
from contextlib import closing
from itertools import islice
from pathlib import Path

import anywidget
import pandas as pd
import traitlets

from affectkit.labels import EXPRESSION_COLOURS, EXPRESSIONS
from affectkit.pipeline.pipeline import AffectPipeline
from affectkit.widgets.camera_stream import CameraStream
from affectkit.widgets.frame_processor import FrameProcessor, Pipeline
from affectkit.widgets.frame_results import Snapshot
from affectkit.widgets.frame_sources import BROWSER, Source, check_source, check_video, read_frames
from affectkit.widgets.script import PAGE, join_modules
from affectkit.widgets.session_record import SessionRecord

PAGE_SECONDS, SERVED_PAGE_SECONDS = 5.0, 20.0
"""So long `headless="auto"` waits for a page; the latter where a Jupyter server runs the kernel."""

LIVE_SMOOTHING = 0.8
"""Of answers that people watch: at 27 frames a second a time constant of 0.17 s."""


class AffectCamera(anywidget.AnyWidget):
    """A camera whose faces are read in the kernel and drawn in the page.

    The value of a cell shows it: Start asks the browser for its camera; there are buttons for
    stopping, a file, a sample clip, mirroring, camera and resolution. Only the newest frame is
    worked on, in a thread of its own, so that other cells run meanwhile. Frames are not stored:
    the kernel holds the last one (`snapshot`) and numbers (`record`).

    Parameters
    ----------
    pipeline : None, str, Path, AffectPipeline or callable
        A model's name or file as `AffectPipeline` takes it, "affectkit-real-int8" if omitted; a
        pipeline, which nothing else may use meanwhile; or a function from an image (uint8, RGB) to
        a list of `FaceAffect`.
    source : "browser", int, str or Path
        What Start starts: the browser's camera; the camera of that number at the kernel's machine
        (OpenCV); or a video there, which runs again and again.
    sample : bool, str or Path
        The clip behind the button Sample: a drawn face, or the first 300 frames of a video.
    max_in_flight : int
        Frames on their way at once, 1..8; more hide a slow network.
    mirror : bool
        Show cameras mirrored; what the kernel gets and gives is not.
    resolution : tuple of 2 int
        Width and height that the camera is asked for; what is sent has that width.
    record : bool
        Keep numbers.
    headless : bool or "auto"
        What `start` and `run_headless` do without a page; see there.
    maximum_frames : int, optional
        Stop after so many frames.
    frames_per_second : float
        At most, of the browser's source.
    smoothing : float, optional
        Share of a face's earlier answers that is kept, 0..1 (excluding 1), of a pipeline given by
        name; 0.8 if omitted, so that people can read the numbers, and 0 with `headless=True`, so
        that a measurement is of single frames. The same numbers are drawn, recorded and kept.

    Raises
    ------
    ValueError
        If a setting is out of range, or a name unknown.
    FileNotFoundError
        If a file is missing.

    Examples
    --------
    >>> camera = AffectCamera("affectkit-synthetic-int8", headless=True, maximum_frames=2)
    >>> camera.run_headless()["frame"].tolist()
    [0, 1]
    """

    _esm = join_modules()
    _css = PAGE / "camera.css"
    mirror = traitlets.Bool(True).tag(sync=True)
    resolution = traitlets.Tuple(traitlets.Int(), traitlets.Int()).tag(sync=True)
    max_in_flight = traitlets.Int(2, min=1, max=8).tag(sync=True)
    frames_per_second = traitlets.Float(30.0, min=0.1, max=240.0).tag(sync=True)
    _expressions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _colours = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _source_name = traitlets.Unicode().tag(sync=True)
    _source_is_camera = traitlets.Bool(True).tag(sync=True)
    _has_sample = traitlets.Bool(True).tag(sync=True)
    _still = traitlets.Bytes().tag(sync=True)  # shown where a saved page has no kernel

    def __init__(
        self,
        pipeline: str | Path | AffectPipeline | Pipeline | None = None,
        source: Source = BROWSER,
        sample: bool | str | Path = True,
        max_in_flight: int = 2,
        mirror: bool = True,
        resolution: tuple[int, int] = (640, 480),
        record: bool = True,
        headless: bool | str = False,
        maximum_frames: int | None = None,
        frames_per_second: float = 30.0,
        smoothing: float | None = None,
    ) -> None:
        if headless not in (True, False, "auto"):
            raise ValueError(f"expected headless as True, False or 'auto', got {headless!r}")
        if maximum_frames is not None and maximum_frames < 1:
            raise ValueError(f"expected maximum_frames of at least 1, got {maximum_frames}")
        self.source = check_source(source)
        self.sample = sample if isinstance(sample, bool) else check_video(sample)
        self.headless, self.maximum_frames = headless, maximum_frames
        self._rows = SessionRecord() if record else None
        if smoothing is None:
            smoothing = 0.0 if headless is True else LIVE_SMOOTHING
        self._processor = FrameProcessor(pipeline, self._rows, smoothing)
        self._stream = CameraStream(self, self._processor)
        try:
            super().__init__(
                mirror=mirror,
                resolution=tuple(resolution),
                max_in_flight=max_in_flight,
                frames_per_second=frames_per_second,
                _expressions=list(EXPRESSIONS),
                _colours=[EXPRESSION_COLOURS[name] for name in EXPRESSIONS],
                _source_name="" if source == BROWSER else str(source),
                _source_is_camera=not isinstance(self.source, Path),
                _has_sample=bool(sample),
            )
        except traitlets.TraitError as error:
            raise ValueError(f"{error} Correct the setting of AffectCamera.") from error
        self.on_msg(self._stream.handle)
        self._stream.link.follow_page()

    def __repr__(self) -> str:
        return f"AffectCamera(source={str(self.source)!r})"

    @property
    def status(self) -> str:
        """What the page does: "no page", "idle", "streaming", "denied", "no camera" and such."""
        return self._stream.status

    @property
    def snapshot(self) -> Snapshot | None:
        """The last frame that was looked at: `image` (uint8, RGB), `faces`, `time` in seconds."""
        return self._processor.snapshot

    @property
    def record(self) -> pd.DataFrame:
        """The numbers since the last start; see `affectkit.widgets.session_record.COLUMNS`."""
        return (self._rows or SessionRecord(1)).table()

    @property
    def times(self) -> pd.DataFrame:
        """Milliseconds of the last 3,000 frames: a row a frame, a column a stage."""
        return self._processor.times.table()

    @property
    def last_error(self) -> str:
        """The traceback of the pipeline's last exception since the last start; empty if none."""
        return self._processor.last_error

    @property
    def statistics(self) -> dict[str, object]:
        """How it goes since the last start.

        Returns
        -------
        dict
            frames, dropped, errors: counts. frames_per_second: of the last 60 frames.
            milliseconds: the median of each stage, and of the latency, from the moment a frame is
            taken to the one when its result is drawn.
        """
        processor = self._processor
        medians = self.times.median().round(2)
        return {
            "frames": processor.frames,
            "dropped": self._stream.dropped,
            "errors": processor.errors,
            "frames_per_second": round(processor.times.rate(), 1),
            "milliseconds": medians.dropna().to_dict(),
        }

    def start(self) -> None:
        """Start the source, as the button does; the browser may ask its user.

        Without a page, it starts as soon as one shows the widget. With `headless=True`, or "auto"
        and no page in time (see `wait_for_page`), it is `run_headless` instead.
        """
        if self._without_page():
            self.run_headless()
        else:
            self._stream.start()

    def stop(self) -> None:
        """Stop and release the camera, in every view."""
        self._stream.stop()

    def close(self) -> None:
        """Stop, and remove the widget from its pages."""
        if "_stream" in vars(self):
            self._stream.stop()
            self._stream.close()
        super().close()

    def wait_for_page(self, seconds: float | None = None) -> bool:
        """Wait until a page knows of the widget, shown or further down; tell whether one does.

        Within a cell this needs JupyterLab 4.4 and ipykernel 7 or later: older ones hear of the
        page when the cell has ended.

        Parameters
        ----------
        seconds : float, optional
            To wait at most. If omitted, 5; or 20 where a Jupyter server runs the kernel, so that
            there is likely to be a page.
        """
        if seconds is None:
            served = "JPY_SESSION_NAME" in os.environ  # jupyter_server sets it
            seconds = SERVED_PAGE_SECONDS if served else PAGE_SECONDS
        return self._stream.link.seen.wait(seconds)

    def run_headless(
        self, source: Source | None = None, maximum_frames: int | None = None
    ) -> pd.DataFrame:
        """Look at a clip in the kernel, without a page, and return when it ends.

        With `headless="auto"`, and a page that shows the widget, it does nothing: for notebooks
        that run by themselves as well as in the hands of people.

        Parameters
        ----------
        source : int, str or Path, optional
            A camera or video; if omitted, the widget's own where it is at the kernel, else the
            sample clip.
        maximum_frames : int, optional
            Stop after so many frames; the widget's own `maximum_frames` if omitted. A camera
            needs one.

        Returns
        -------
        pandas.DataFrame
            `record`.

        Raises
        ------
        ValueError
            If a camera has no end, or the clip is damaged.
        OSError
            If there is no such camera or file.
        RuntimeError
            If the pipeline raised; the traceback is in `last_error`.
        """
        if self.headless == "auto" and not self._without_page():
            return self.record
        limit = self.maximum_frames if maximum_frames is None else maximum_frames
        chosen = self.source if source is None else check_source(source)
        if isinstance(chosen, int) and limit is None:
            raise ValueError("expected maximum_frames for a camera, which has no end; give one")
        self._processor.begin()
        with closing(read_frames(chosen, self.sample)) as frames:
            for number, (time, image) in enumerate(islice(frames, limit)):
                faces, _ = self._processor.process(image, time, number)
                if faces is None:
                    raise RuntimeError(f"the pipeline failed:\n{self.last_error}")
        return self.record

    def _repr_mimebundle_(self, **options: object) -> tuple[dict, dict]:
        """Add a still to the view: for saved pages, and for readers that have no widgets."""
        data, metadata = super()._repr_mimebundle_(**options)
        if not self._still:
            self._still, self._still_words = self._processor.still()
            self._stream.link.follow_page()
        data["image/png"] = base64.b64encode(self._still).decode("ascii")
        return data, metadata | {"image/png": {"alt": self._still_words}}

    def _without_page(self) -> bool:
        if self.headless == "auto":
            return not self.wait_for_page()
        return bool(self.headless)

    @traitlets.observe("mirror", "resolution", "max_in_flight", "frames_per_second")
    def _on_setting(self, _: object) -> None:
        """After a setting was sent out of a running cell, see `PageLink`."""
        if "_stream" in vars(self) and self._stream.link.seen.is_set():
            self._stream.link.send("nothing", session=None)

    @traitlets.validate("resolution")
    def _check_resolution(self, proposal: dict) -> tuple[int, int]:
        width, height = proposal["value"]
        if not (32 <= width <= 4096 and 32 <= height <= 4096):
            raise traitlets.TraitError(f"Expected a resolution of 32..4096, got {width}x{height}.")
        return width, height
