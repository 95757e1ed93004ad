"""Time the camera widget in JupyterLab and Chromium: what browser, wire and kernel take of a frame.

Usage::

    python benchmarks/webcam.py --output FOLDER

The camera is Chromium's own fake one, of 640x480 pixels and 30 frames a second, that plays a drawn
face; the pipeline is the real one. A row of the table "ways" is a number of frames in flight, on a
server with TCP_NODELAY (the extension `affectkit.widgets.low_latency`), or as Jupyter ships it.
Latency goes from the moment when the page takes a frame to the one when its result is drawn, on the
page's clock. No debugger is attached while frames are timed. Memory is read after the warm-up of
the first way and after `--frames` more frames: the unique memory of the kernel's process, that of
all of Chromium's processes, and the page's own heap, each after a garbage collection.

The way "page" is the page that needs no kernel (`make page`): a worker in Chromium stands where the
kernel is, so that all of its latency is the browser's. It needs npm.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil
from figures import plot_stage_bars
from lab_browser import (
    ALLOW,
    FAKE_CAMERA,
    LabNotebook,
    RunningChromium,
    folder_server,
    lab_server,
    undebugged_chromium,
    write_film,
    write_notebook,
)
from report import Report, new_parser, summary_rows

from affectkit.pipeline import END_TO_END
from affectkit.widgets import sample_frames, write_page
from affectkit.widgets.frame_results import PAGE_STAGES

FASTEST, SLOWEST_LATENCY, MOST_GROWTH = 25, 60, 20
"""Frames a second at least, milliseconds of the median latency and MB of growth at most."""

SLOWEST_PAGE = 30
"""Milliseconds of the median latency of the page that needs no kernel, at most."""

WARM_UP, SHORT_WARM_UP = 600, 90
"""Frames before the measured ones, of the first way and of the others.

Within half a minute the page reaches the memory that it then keeps: of its pictures, Chromium frees
those that are done with when there are many.
"""

LONGEST = 1800
"""Seconds to wait for the frames of a way."""

EXTENSION = "--ServerApp.jpserver_extensions={{'affectkit.widgets.low_latency': {}}}"
JUPYTER, NODELAY, PAGE = "as shipped", "TCP_NODELAY", "page"

CELL = """
import gc, json, os, time
import psutil
from affectkit import AffectPipeline
from affectkit.widgets import AffectCamera

class Marked(AffectPipeline):
    calls = 0

    def __call__(self, image):
        self.calls += 1
        if self.calls in MARKS:
            gc.collect()
            memory = psutil.Process().memory_full_info().uss
            with open("marks.jsonl", "a") as file:
                line = {"calls": self.calls, "memory": memory, "seconds": time.monotonic()}
                file.write(json.dumps(line) + "\\n")
        return super().__call__(image)

camera = AffectCamera(Marked(MODEL, track=True), max_in_flight=IN_FLIGHT, frames_per_second=60)
camera
"""
VIEW = """async () => { // the page's own parts, with each frame's times kept
  const { makeView } = await import("./camera.js");
  const { connectWorker } = await import("./local.js");
  const settings = await (await fetch("settings.json")).json();
  const answers = connectWorker({ ...settings, frames_per_second: 60 });
  const taken = {};
  window.rows = [];
  const look = (canvas, content) => {
    for (const times of content.times) {
      rows.push({ ...taken[times[0]], end: performance.now(), times: times.slice(1) });
      delete taken[times[0]];
    }
    return answers.look(canvas, content);
  };
  const listen = (hear) => answers.listen((content, buffers) => {
    if (content.type === "result") taken[content.number] = content.milliseconds;
    hear(content, buffers);
  });
  const style = Object.assign(document.createElement("link"),
    { rel: "stylesheet", href: "camera.css" });
  document.body.replaceChildren(style);
  makeView(document.body, { ...answers, look, listen });
}"""
STAGES_BY_PLACE = {"browser": ("grab", "encode", "draw"), "wire": ("wire",)}


@dataclass
class Way:
    """What was measured of one way: times a frame, frames a second, and memory in bytes."""

    times: pd.DataFrame
    rate: float
    memory: list[dict]
    statistics: dict


class Bench:
    """A server and a browser that measure one way after the other."""

    def __init__(self, folder: Path, server: object, browser: RunningChromium, model: str) -> None:
        self.folder, self.server, self.browser, self.model = folder, server, browser, model

    def run(self, in_flight: int, marks: list[int]) -> Way:
        """Run until the last mark; the first one ends the warm-up."""
        marks_file = self.folder / "marks.jsonl"
        marks_file.unlink(missing_ok=True)
        settings = f"MARKS, MODEL, IN_FLIGHT = {marks}, {self.model!r}, {in_flight}"
        write_notebook(self.folder / "webcam.ipynb", [settings + CELL])
        memory = []
        with self.browser.page() as page:
            notebook = LabNotebook(page, self.server, "webcam.ipynb")
            notebook.run_cell(0)
            page.wait_for_selector(".affect-camera")
            page.get_by_role("button", name="Start the camera").click()
        for count in range(1, len(marks) + 1):
            end = time.monotonic() + LONGEST
            while len(lines := read_lines(marks_file)) < count:
                if time.monotonic() > end:
                    raise RuntimeError(f"no more frames after {len(lines)} of {len(marks)} marks")
                time.sleep(0.2)
            if count in (1, len(marks)):
                memory.append({"frames": marks[count - 1], "kernel": lines[-1]["memory"]})
                memory[-1] |= self.browser_memory()
        with self.browser.page() as page:
            notebook = LabNotebook(page, self.server)
            page.get_by_role("button", name="Stop and release").click()
            # the frames between the marks, so that no debugger was there
            code = f"table = camera.times.iloc[{marks[1]}:{marks[-1]}]\n"
            code += "print(table.to_json(orient='records')); print(json.dumps(camera.statistics))"
            table, statistics = notebook.execute(code).strip().splitlines()
            notebook.kernel("shutdown")
        first, last = lines[1], lines[-1]
        rate = (last["calls"] - first["calls"]) / (last["seconds"] - first["seconds"])
        return Way(pd.DataFrame(json.loads(table)), rate, memory, json.loads(statistics))

    def browser_memory(self) -> dict[str, int]:
        """Give the unique memory of Chromium's processes and the page's heap, in bytes."""
        with self.browser.page() as page:
            session = page.context.new_cdp_session(page)
            session.send("HeapProfiler.collectGarbage")
            heap = session.send("Runtime.getHeapUsage")["usedSize"]
            processes = [psutil.Process(self.browser.process.pid)]
            processes += processes[0].children(recursive=True)
            unique = sum(process.memory_full_info().uss for process in processes)
        return {"browser": unique, "page heap": int(heap)}


def read_lines(path: Path) -> list[dict]:
    """Read the marks that are complete."""
    text = path.read_text() if path.is_file() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


@contextmanager
def benches(kind: str, model: str) -> Iterator[Bench]:
    """Start server and browser."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = write_film(folder / "film.y4m", sample_frames())
        camera = [FAKE_CAMERA, f"--use-file-for-fake-video-capture={film}", ALLOW]
        with (
            lab_server(folder, [EXTENSION.format(kind == NODELAY)]) as server,
            undebugged_chromium(camera) as browser,
        ):
            yield Bench(folder, server, browser, model)


def run_page(model: str, frames: int) -> pd.DataFrame:
    """Let the page look at the film; gives the end and the times of each frame, in milliseconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = write_page(Path(name) / "page", model)
        film = write_film(Path(name) / "film.y4m", sample_frames())
        camera = [FAKE_CAMERA, f"--use-file-for-fake-video-capture={film}", ALLOW]
        with folder_server(folder) as address, undebugged_chromium(camera) as browser:
            with browser.page() as page:
                page.goto(f"{address}card.html")  # which starts no view of its own
                page.evaluate(VIEW)
                page.get_by_role("button", name="Start the camera").click()
            count, end = 0, time.monotonic() + LONGEST
            while count < SHORT_WARM_UP + frames:
                if time.monotonic() > end:
                    raise RuntimeError(f"no more than {count} frames")
                time.sleep(max(1, (SHORT_WARM_UP + frames - count) / 30))
                with browser.page() as page:
                    count = page.evaluate("rows.length")
            with browser.page() as page:
                rows = page.evaluate("rows")
    table = pd.DataFrame(rows)
    table[list(PAGE_STAGES)] = table.pop("times").to_list()
    return table.iloc[SHORT_WARM_UP : SHORT_WARM_UP + frames]


def page_row(times: pd.DataFrame) -> dict:
    """Give the row of the way "page", one frame in flight."""
    seconds = (times["end"].iloc[-1] - times["end"].iloc[0]) / 1e3
    return {
        "server": PAGE,
        "in_flight": 1,
        "frames": len(times),
        "frames_a_second": (len(times) - 1) / seconds,
        "latency_p50": times["latency"].median(),
        "latency_p95": times["latency"].quantile(0.95),
        "dropped": 0,
        "errors": 0,
    }


def place_rows(times: pd.DataFrame) -> pd.DataFrame:
    """Add the stages up by place: browser, wire, kernel; and the latency as the whole."""
    kernel = [name for name in times if name not in PAGE_STAGES]
    places = {place: times[list(names)].sum(axis=1) for place, names in STAGES_BY_PLACE.items()}
    places["kernel"] = times[kernel].sum(axis=1)
    return pd.DataFrame(places | {END_TO_END: times["latency"]})


def way_row(kind: str, in_flight: int, way: Way) -> dict:
    """Give the one row of a way."""
    latency = way.times["latency"]
    return {
        "server": kind,
        "in_flight": in_flight,
        "frames": len(way.times),
        "frames_a_second": way.rate,
        "latency_p50": latency.median(),
        "latency_p95": latency.quantile(0.95),
        "dropped": way.statistics["dropped"],
        "errors": way.statistics["errors"],
    }


def main(command: list[str]) -> Path:
    """Measure every way, then write."""
    parser = new_parser("webcam.py", __doc__, threads=(1,))
    parser.add_argument("--model", default="affectkit-real-int8")
    parser.add_argument("--frames", type=int, default=2000, help="of the first way")
    parser.add_argument("--short", type=int, default=300, help="frames of every other way")
    ways = ["nodelay:2", "nodelay:1", "shipped:2", "shipped:1", PAGE]
    told = "server and frames in flight, or page"
    parser.add_argument("--ways", nargs="+", default=ways, help=told)
    report = Report.begin("webcam", parser, command)
    arguments = report.arguments
    tables: dict[str, list[dict]] = {name: [] for name in ("ways", "places", "stages", "memory")}
    for number, text in enumerate(arguments.ways):
        if text == PAGE:
            times = run_page(arguments.model, arguments.short)
            tables["ways"].append(page_row(times))
            labels = {"mode": f"{PAGE}, 1 in flight", "threads": 1}
            tables["places"] += summary_rows(place_rows(times.drop(columns="end")), **labels)
            tables["stages"] += summary_rows(times.drop(columns="end"), **labels)
            add_page_targets(report, tables["ways"][-1])
            continue
        kind = {"shipped": JUPYTER, "nodelay": NODELAY}[text.split(":")[0]]
        in_flight = int(text.split(":")[1])
        frames = arguments.short if number else arguments.frames
        start = SHORT_WARM_UP if number else WARM_UP
        marks = [start, start + 60, start + 60 + frames]
        with benches(kind, arguments.model) as bench:
            way = bench.run(in_flight, marks)
        labels = {"mode": f"{kind}, {in_flight} in flight", "threads": 1}
        tables["ways"].append(way_row(kind, in_flight, way))
        tables["places"] += summary_rows(place_rows(way.times), **labels)
        tables["stages"] += summary_rows(way.times, **labels)
        if not number:
            add_targets(report, tables["ways"][0], way.memory)
            tables["memory"] = way.memory
    add_ratios(report, tables)
    report.tables = tables
    if tables["places"]:
        report.figures = {"places": plot_stage_bars(pd.DataFrame(tables["places"]))}
    report.notes.append(
        "Latency goes from the moment when the page takes a frame to the one when its result is "
        "drawn. Memory is in bytes, unique to the processes."
    )
    return report.write()


def add_ratios(report: Report, tables: dict[str, list[dict]]) -> None:
    """Hold the kernel's work against the browser's, and the other ways against the first.

    Shares of the latency would say nothing: as one gets better, the others get worse. What the wire
    takes is mostly waiting, and does not follow the speed of a machine.
    """
    median = {(row["mode"], row["stage"]): row["p50"] for row in tables["places"]}
    for mode in dict.fromkeys(mode for mode, _ in median):
        report.ratio(f"kernel / browser, {mode}", median[mode, "kernel"] / median[mode, "browser"])
    first, *others = tables["ways"]
    for row in others:
        name = f"{row['server']}, {row['in_flight']} in flight / default, latency p50"
        report.ratio(name, row["latency_p50"] / first["latency_p50"])


def add_page_targets(report: Report, row: dict) -> None:
    """Hold the page against what it has to reach."""
    report.target("frames a second, page", row["frames_a_second"], f">= {FASTEST}")
    report.target("latency p50, page, ms", row["latency_p50"], f"<= {SLOWEST_PAGE}")


def add_targets(report: Report, row: dict, memory: list[dict]) -> None:
    """Hold the default way against what the widget has to reach."""
    report.target("frames a second, default", row["frames_a_second"], f">= {FASTEST}")
    report.target("latency p50, default, ms", row["latency_p50"], f"<= {SLOWEST_LATENCY}")
    first, last = memory[0], memory[-1]
    for name in ("kernel", "browser", "page heap"):
        frames = last["frames"] - first["frames"]
        growth = (last[name] - first[name]) / 1e6
        report.target(f"growth of the {name} over {frames} frames, MB", growth, f"< {MOST_GROWTH}")


if __name__ == "__main__":
    main(sys.argv[1:])
