"""Milliseconds and their percentiles."""

import time

import numpy as np

PERCENTILES = (50, 90, 99)


class Stages(object):
    """Adds up the time of each stage of every frame."""

    def __init__(self):
        self.frames = []
        self.start_frame()

    def start_frame(self):
        """Begin a frame."""
        self._now = {}
        self._start = self._last = time.perf_counter()

    def lap(self, name):
        """Book what passed since the last lap, or the frame's start, under a stage."""
        now = time.perf_counter()
        self._now[name] = self._now.get(name, 0.0) + now - self._last
        self._last = now

    def end_frame(self):
        """End a frame: "end to end" is all of it, "residual" what no stage accounts for."""
        whole = time.perf_counter() - self._start
        self._now["residual"] = whole - sum(self._now.values())
        self._now["end to end"] = whole
        self.frames.append(self._now)

    def summary(self, warm_up=0):
        """Give `summarise` of every stage, leaving out so many frames at the start."""
        frames = self.frames[warm_up:]
        names = sorted({name for frame in frames for name in frame})
        return {name: summarise([frame.get(name, 0.0) for frame in frames]) for name in names}


def summarise(seconds):
    """Give n, mean and percentiles in milliseconds."""
    milliseconds = np.asarray(seconds, float) * 1e3
    summary = {"n": len(milliseconds), "mean": round(float(milliseconds.mean()), 4)}
    for percentile in PERCENTILES:
        value = float(np.percentile(milliseconds, percentile))
        summary["p{}".format(percentile)] = round(value, 4)
    return summary
