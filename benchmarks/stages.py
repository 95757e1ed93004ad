"""Time every stage of a video, from decoding to the annotated file, and what no stage explains.

Usage::

    python benchmarks/stages.py --output FOLDER --video VIDEO --ferplus FERPLUS --london FACES

Times three ways: "sequential", one step after the other in one thread, so that stages and residual
add up to the frame; "bare": decoding, the very model invocations of the same frame with nothing
round them, and encoding; and "overlapped", as `affectkit predict` does it, decoding and encoding in
threads of their own. Sequential and bare take turns frame by frame, so that whatever else the
machine does hits both alike: end to end over bare says what all the rest costs. The first round is
dropped. Threads are those of LiteRT and OpenCV; sequential and bare have as many cores, overlapped
has all of `--cores`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, perf_counter_ns

import cv2
import numpy as np
import pandas as pd
from figures import plot_stage_bars
from report import (
    Report,
    limited_to,
    measure_accuracy,
    model_file,
    new_parser,
    rate_row,
    summary_rows,
    turns,
    usable_cores,
)

from affectkit import AffectPipeline
from affectkit.pipeline import (
    END_TO_END,
    RESIDUAL,
    StageTimer,
    VideoSummary,
    draw_faces,
    process_video,
)
from affectkit.pipeline.video.open import open_file
from affectkit.pipeline.video.write import CODECS

MOST = 1.15
"""End to end may be so many times the bare work."""

SEQUENTIAL, OVERLAPPED, BARE = "sequential", "overlapped", "bare"
INVOKE = "invoke"


@contextmanager
def opened(video: Path) -> Iterator[cv2.VideoCapture]:
    """Open a video to read."""
    capture = open_file(video)
    try:
        yield capture
    finally:
        capture.release()


@contextmanager
def written(path: Path, capture: cv2.VideoCapture) -> Iterator[cv2.VideoWriter]:
    """Open a video to write, of the size and rate of another, in affectkit's codec."""
    codec = cv2.VideoWriter.fourcc(*CODECS[path.suffix])
    size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    rate = capture.get(cv2.CAP_PROP_FPS)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, rate, size)
    if not writer.isOpened():
        raise OSError(f"{path} can't be written")
    try:
        yield writer
    finally:
        writer.release()


def annotate_frames(pipeline: AffectPipeline, video: Path, output: Path) -> Iterator[int]:
    """Do the steps of `affectkit.pipeline.process_video` one after the other, in one thread.

    Every millisecond has its stage, and none overlap. Yields how many faces it found, after each
    frame; the pipeline's timer has its stages then.
    """
    timer = pipeline.timer
    with opened(video) as capture, written(output, capture) as writer:
        while True:
            timer.start_frame()
            with timer.stage("decode"):
                there, bgr = capture.read()
            if not there:
                break
            with timer.stage("colour"):
                rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            found = pipeline(rgb)
            with timer.stage("draw"):
                draw_faces(bgr, found)
            with timer.stage("encode"):
                writer.write(bgr)
            timer.end_frame()
            yield len(found)


def shorten(video: Path, frames: int, output: Path) -> Path:
    """Write the first frames of a video to a new one, for a short run."""
    with opened(video) as capture, written(output, capture) as writer:
        for _ in range(frames):
            there, bgr = capture.read()
            if not there:
                break
            writer.write(bgr)
    return output


class Invocations:
    """Notes which LiteRT interpreters run in each frame, in order, and their nanoseconds."""

    def __init__(self) -> None:
        self.frames: list[list] = []
        self.nanoseconds: list[int] = []
        self._now: list = []
        self._spent = 0

    @contextmanager
    def watched(self) -> Iterator[Callable[[object], None]]:
        """Watch every interpreter of this process; gives the invocation that is not watched."""
        from ai_edge_litert.interpreter import Interpreter

        bare = Interpreter.invoke

        def invoke(interpreter: Interpreter) -> None:
            start = perf_counter_ns()
            bare(interpreter)
            self._spent += perf_counter_ns() - start
            self._now.append(interpreter)

        Interpreter.invoke = invoke
        try:
            yield bare
        finally:
            Interpreter.invoke = bare

    def end_frame(self) -> list:
        """Close the notes of a frame, and give its interpreters."""
        self.frames.append(self._now)
        self.nanoseconds.append(self._spent)
        self._now, self._spent = [], 0
        return self.frames[-1]


class Rounds:
    """All rounds with one number of threads."""

    def __init__(self, model: str, detector: str, threads: int, cores: int, video: Path) -> None:
        self.cores = {SEQUENTIAL: threads, OVERLAPPED: max(cores, threads)}
        start = perf_counter()
        self.pipeline = AffectPipeline(model, detector, threads)
        self.load_seconds = perf_counter() - start
        self.video, self.threads = video, threads
        self.tables: dict[str, list[pd.DataFrame]] = {SEQUENTIAL: [], OVERLAPPED: [], BARE: []}
        self.summaries: dict[str, list[VideoSummary]] = {SEQUENTIAL: [], OVERLAPPED: []}
        with opened(video) as capture:
            image = np.ascontiguousarray(capture.read()[1][..., ::-1])
        start = perf_counter()
        self.pipeline(image)
        self.first_call_ms = 1e3 * (perf_counter() - start)

    def run(self, rounds: int, folder: Path) -> None:
        """Run a round that is dropped, then the others."""
        for way, counts in turns([SEQUENTIAL, OVERLAPPED], rounds, warm_up=1):
            with limited_to(self.threads, self.cores[way]):
                if way == OVERLAPPED:
                    summary, tables = self._overlapped(folder)
                else:
                    summary, tables = self._sequential_and_bare(folder)
            if counts:
                self.summaries[way].append(summary)
                for name, table in tables.items():
                    self.tables[name].append(table)

    def _sequential_and_bare(self, folder: Path) -> tuple[VideoSummary, dict[str, pd.DataFrame]]:
        """Annotate frame by frame, each followed by its bare work on the same frame."""
        self.pipeline.timer, timer, invocations = StageTimer(), StageTimer(), Invocations()
        faces = 0
        with (
            opened(self.video) as capture,
            written(folder / "bare.mp4", capture) as writer,
            invocations.watched() as invoke,
        ):
            for found in annotate_frames(self.pipeline, self.video, folder / "sequential.mp4"):
                faces += found
                interpreters = invocations.end_frame()
                timer.start_frame()
                with timer.stage("decode"):
                    _, frame = capture.read()
                with timer.stage(INVOKE):
                    for interpreter in interpreters:  # on whatever input is left in them
                        invoke(interpreter)
                with timer.stage("encode"):
                    writer.write(frame)
                timer.end_frame()
        table = self.pipeline.timer.table()
        summary = VideoSummary(len(table), faces, table[END_TO_END].sum() / 1e3)
        table = table.assign(**{INVOKE: np.array(invocations.nanoseconds) / 1e6})
        return summary, {SEQUENTIAL: table, BARE: timer.table()}

    def _overlapped(self, folder: Path) -> tuple[VideoSummary, dict[str, pd.DataFrame]]:
        self.pipeline.timer = StageTimer()
        path = folder / "overlapped.mp4"
        summary = process_video(self.pipeline, self.video, path, show_times=False)
        return summary, {OVERLAPPED: self.pipeline.timer.table()}

    def stage_rows(self) -> list[dict]:
        """Give a row a way and stage: per frame, and the mean per face."""
        rows = []
        for way, summaries in self.summaries.items():
            table = pd.concat(self.tables[way], ignore_index=True).drop(
                columns=INVOKE, errors="ignore"
            )
            faces = sum(summary.faces for summary in summaries)
            whole = table[END_TO_END].mean()
            for row in summary_rows(table, mode=way, threads=self.threads):
                total = row["mean"] * len(table)
                row["mean_per_face"] = total / faces if faces else None
                rows.append(row | {"share": row["mean"] / whole})
        return rows

    def bare_rows(self) -> list[dict]:
        """Give a row a part of the bare work, and a row of the invocations within the pipeline."""
        bare = pd.concat(self.tables[BARE], ignore_index=True).drop(columns=RESIDUAL)
        within = pd.concat(self.tables[SEQUENTIAL], ignore_index=True)[[INVOKE]]
        return [
            *summary_rows(bare, mode=BARE, threads=self.threads),
            *summary_rows(within, mode="within the pipeline", threads=self.threads),
        ]

    def video_rows(self) -> list[dict]:
        """Give a row a way: frames a second."""
        rows = []
        for way, summaries in self.summaries.items():
            rates = [summary.frames / summary.duration for summary in summaries]
            row = {
                "mode": way,
                "threads": self.threads,
                "cores": self.cores[way],
                "rounds": len(rates),
                "frames": summaries[0].frames,
                "faces": summaries[0].faces,
            }
            rows.append(row | rate_row(rates, "frames"))
        return rows

    def add_ratios(self, report: Report) -> None:
        """Add end to end over bare, and every stage over bare, by the medians over rounds."""
        rows = self.overhead_rows()
        end = f"{self.threads} threads" if self.threads > 1 else "1 thread"
        name = f"sequential end to end / bare, {end}"
        total = float(np.median([row["end_to_end_over_bare"] for row in rows]))
        report.target(name, total, f"<= {MOST}")
        report.ratio(name, float(np.median([row["of_the_medians"] for row in rows])))
        rates = {row["mode"]: row["frames_a_second"] for row in self.video_rows()}
        gain = rates[OVERLAPPED] / rates[SEQUENTIAL]
        report.ratio(f"overlapped / sequential, frames a second, {end}", gain, "higher")
        bare = pd.concat(self.tables[BARE])[END_TO_END]
        name = f"overlapped, time from frame to frame / bare, {end} of {self.cores[OVERLAPPED]}"
        report.target(name, 1e3 / rates[OVERLAPPED] / bare.mean(), f"<= {MOST}")
        bare = bare.median()
        stages = pd.concat(self.tables[SEQUENTIAL]).drop(columns=[END_TO_END, INVOKE])
        for stage, value in stages.median().items():
            report.ratio(f"{stage} / bare, ms a frame, {end}", float(value / bare))

    def overhead_rows(self) -> list[dict]:
        """Give a row a round: end to end of all frames over the bare work of all frames.

        "of_the_medians" has the median frames instead of the sums: noise hits that less.
        "end_to_end_over_work_within" has the invocations, decoding and encoding of the very same
        frames below the line.
        """
        rows = []
        for number, (whole, bare) in enumerate(
            zip(self.tables[SEQUENTIAL], self.tables[BARE], strict=True)
        ):
            within = whole[[INVOKE, "decode", "encode"]].sum(axis=1).sum()
            total = whole[END_TO_END].sum()
            rows.append(
                {
                    "round": number,
                    "threads": self.threads,
                    "end_to_end_ms": total,
                    "bare_ms": bare[END_TO_END].sum(),
                    "end_to_end_over_bare": total / bare[END_TO_END].sum(),
                    "of_the_medians": whole[END_TO_END].median() / bare[END_TO_END].median(),
                    "end_to_end_over_work_within": total / within,
                }
            )
        return rows


def main(command: list[str]) -> Path:
    """Run all rounds with each number of threads, evaluate, write."""
    parser = new_parser("stages.py", __doc__)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--model", default="affectkit-real-int8")
    parser.add_argument("--detector", default="blazeface")
    parser.add_argument("--cores", type=int, default=len(usable_cores()), help="overlapped")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--frames", type=int, default=0,
                        help="of the video, encoded anew; 0 for all, as they are")  # fmt: skip
    report = Report.begin("stages", parser, command)
    arguments = report.arguments
    names = ("stages", "bare", "videos", "overhead", "loading")
    tables: dict[str, list[dict]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as name:
        folder, video = Path(name), arguments.video
        if arguments.frames:
            video = shorten(video, arguments.frames, folder / "short.mp4")
        for threads in arguments.threads:
            with limited_to(threads):
                rounds = Rounds(
                    arguments.model, arguments.detector, threads, arguments.cores, video
                )
            rounds.run(arguments.rounds, folder)
            tables["stages"] += rounds.stage_rows()
            tables["bare"] += rounds.bare_rows()
            tables["videos"] += rounds.video_rows()
            tables["overhead"] += rounds.overhead_rows()
            loading = {"model": arguments.model, "threads": threads}
            loading |= {"load_seconds": rounds.load_seconds, "first_call_ms": rounds.first_call_ms}
            tables["loading"].append(loading | model_file(arguments.model))
            rounds.add_ratios(report)
    report.tables = tables | {"accuracy": measure_accuracy([arguments.model], arguments)}
    report.notes.append(
        "Overlapped, stages run at the same time in three threads: their sum is the work of a "
        "frame, not the time from one frame to the next, which is in the table of videos."
    )
    report.figures = {"stages": plot_stage_bars(pd.DataFrame(tables["stages"]))}
    return report.write()


if __name__ == "__main__":
    main(sys.argv[1:])
