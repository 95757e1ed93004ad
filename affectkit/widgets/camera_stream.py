"""The kernel's side of a running camera: answers the page's messages, frame by frame."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import perf_counter

import anywidget
import cv2
import numpy as np

from affectkit.pipeline.video.read import VideoFrame
from affectkit.widgets.frame_processor import FrameProcessor
from affectkit.widgets.frame_results import face_messages
from affectkit.widgets.frame_sources import KernelSource
from affectkit.widgets.newest_worker import NewestWorker
from affectkit.widgets.page_link import PageLink
from affectkit.widgets.sample_clip import clip_jpegs, decode_frame, encode_frame


@dataclass(frozen=True)
class PageFrame:
    """A frame on its way: who sent it, its number there, its time, its JPEG, when it arrived."""

    run: int
    session: str
    number: int
    time: float
    jpeg: bytes
    arrival: float


class CameraStream:
    """Takes frames from the page, or gives them to it, and answers with faces.

    Messages of the page are dealt with at once, in whichever thread they come; frames are worked
    on in a thread of their own, the newest only. The widget is an `AffectCamera`, whose traits hold
    what its user sets.

    `status` is "no page", "idle", "streaming", or why the page can't: "denied", "no camera",
    "insecure"; `dropped` counts frames that a newer one has replaced since the session began.
    """

    def __init__(self, widget: anywidget.AnyWidget, processor: FrameProcessor) -> None:
        self._widget, self._processor = widget, processor
        self.link = PageLink(widget)
        self.status = "no page"
        self.dropped = 0
        self._start_wanted = False
        self._run = 0
        self._numbers = count()
        self._worker = NewestWorker(self._work, self._drop)
        self._kernel_source: KernelSource | None = None
        self._handlers = {
            "page": self._on_page,
            "view": self._on_view,
            "ask": self._on_ask,
            "hello": self._on_hello,
            "frame": self._on_frame,
            "shown": self._on_shown,
            "bye": self._on_bye,
            "status": self._on_status,
            "clip": self._on_clip,
            "kernel": self._on_kernel,
        }

    def start(self) -> None:
        """Ask the page to start; one that opens later, if there is none yet."""
        self._start_wanted = self.link.newest is None
        if not self._start_wanted:
            self.link.send("start", session=self.link.newest)

    def stop(self, text: str = "Stopped by the notebook.") -> None:
        """Stop every page and release a camera of the kernel."""
        self._start_wanted = False
        self._stop_source()
        self._worker.clear()
        self.link.send("stop", session=None, text=text)

    def close(self) -> None:
        """Release everything for good."""
        self._stop_source()
        self._worker.close()

    def handle(self, _: object, message: object, buffers: list) -> None:
        """Deal with a message of the page; what is not understood is left alone."""
        if not isinstance(message, dict) or not isinstance(message.get("session"), str):
            return
        handler = self._handlers.get(str(message.get("type")))
        if handler is not None:
            self.link.remember_context()
            self._processor.times.add_page(message.get("times"))
            handler(message["session"], message, buffers)

    def _on_page(self, session: str, message: dict, buffers: list) -> None:
        if self.status == "no page":
            self.status = "idle"
        self.link.send("nothing", session=None)

    def _on_view(self, session: str, message: dict, buffers: list) -> None:
        self._on_page(session, message, buffers)
        self.link.newest = session
        if self._start_wanted:
            self._start_wanted = False
            self.link.send("start", session=session)

    def _on_ask(self, session: str, message: dict, buffers: list) -> None:
        self.link.send("ready", session=session)

    def _on_hello(self, session: str, message: dict, buffers: list) -> None:
        self._stop_source()
        self._worker.clear()
        self._run += 1
        self._processor.begin()
        self.dropped = 0
        self._numbers = count()
        self.link.take_over(session)
        self.status = "streaming"

    def _on_frame(self, session: str, message: dict, buffers: list) -> None:
        number, time = message.get("number"), message.get("time")
        if not buffers or not isinstance(number, int) or not isinstance(time, int | float):
            return
        if not self.link.refuse(session):
            jpeg = bytes(buffers[0])
            frame = PageFrame(self._run, session, number, float(time), jpeg, perf_counter())
            self._worker.put(frame)

    def _on_shown(self, session: str, message: dict, buffers: list) -> None:
        source = self._kernel_source
        if source is not None and session == self.link.owner:
            source.answered()

    def _on_bye(self, session: str, message: dict, buffers: list) -> None:
        if session == self.link.owner:
            self.link.owner = None
            self._run += 1
            self._worker.clear()
            self._stop_source()
            self.status = "idle"

    def _on_status(self, session: str, message: dict, buffers: list) -> None:
        self.status = str(message.get("status", ""))[:40]

    def _on_clip(self, session: str, message: dict, buffers: list) -> None:
        threading.Thread(target=self._send_clip, args=(session,), daemon=True).start()

    def _on_kernel(self, session: str, message: dict, buffers: list) -> None:
        self._on_hello(session, message, buffers)
        source = self._widget.source
        if isinstance(source, int | Path):
            self._kernel_source = KernelSource(
                source, self._show_kernel_frame, self._end_source, self._widget.max_in_flight
            )
            self._kernel_source.start()

    def _stop_source(self) -> None:
        source, self._kernel_source = self._kernel_source, None
        if source is not None:
            source.stop()

    def _end_source(self, reason: str) -> None:
        self._kernel_source = None
        self.status = "idle"
        self.link.send("stop", session=None, text=reason)

    def _send_clip(self, session: str) -> None:
        sample = self._widget.sample
        try:
            jpegs, rate = clip_jpegs(sample if isinstance(sample, Path) else None)
        except (OSError, ValueError) as error:
            self.link.send("stop", session=session, text=str(error))
            return
        self.link.send("clip", jpegs, session=session, rate=rate)

    def _drop(self, frame: PageFrame) -> None:
        self.dropped += 1
        self.link.send("drop", session=frame.session, number=frame.number)

    def _work(self, frame: PageFrame) -> None:
        start = perf_counter()
        place = {"session": frame.session, "number": frame.number}
        try:
            image = decode_frame(frame.jpeg)
        except ValueError as error:
            self.link.send("error", **place, text=str(error))
            return
        if frame.run != self._run:  # stopped, or another source was started, meanwhile
            return
        before = {
            "queue": 1e3 * (start - frame.arrival),
            "decode": 1e3 * (perf_counter() - start),
        }
        self._answer(image, frame.time, before, place, start=frame.arrival)

    def _show_kernel_frame(self, frame: VideoFrame, time: float) -> None:
        start = perf_counter()
        before = {name: value / 1e6 for name, value in frame.nanoseconds.items()}
        width = self._widget.resolution[0]
        picture = frame.rgb
        if picture.shape[1] > width:
            height = max(1, round(width * picture.shape[0] / picture.shape[1]))
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        place = {"session": self.link.owner, "number": next(self._numbers)}
        self._answer(frame.rgb, time, before, place, start, (encode_frame(picture),))

    def _answer(
        self,
        image: np.ndarray,
        time: float,
        before: dict[str, float],
        place: dict[str, object],
        start: float,
        picture: tuple[bytes, ...] = (),
    ) -> None:
        processor, limit = self._processor, self._widget.maximum_frames
        if limit is not None and processor.frames >= limit:  # was on its way when it was enough
            self.link.send("drop", **place)
            return
        faces, milliseconds = processor.process(image, time, place["number"], before)
        if faces is None:
            line = processor.last_error.strip().splitlines()[-1]
            self.link.send("error", picture, **place, text=f"The pipeline failed: {line}")
            return
        self.link.send(
            "result",
            picture,
            **place,
            faces=face_messages(faces, *image.shape[:2]),
            milliseconds={name: round(value, 3) for name, value in milliseconds.items()},
            kernel=round(1e3 * (perf_counter() - start), 3),
        )
        if limit is not None and processor.frames >= limit:
            self.link.send("stop", session=None, text=f"{processor.frames} frames were looked at.")
