"""Files from which an interrupted prediction, course or sweep goes on."""

from __future__ import annotations

import base64
import csv
import json
import shutil
import struct
from dataclasses import asdict
from pathlib import Path
from random import Random

import pandas as pd
from basis import Document, Target
from target_documents import RESULT
from target_tables import Labels

from affectkit.course import CourseSettings
from affectkit.course.report import read_figures, write_report
from affectkit.course.summary import collect_metrics, cut_off_run, earlier_notebooks
from affectkit.course.sweep import SweepRun, write_table
from affectkit.data import SkippedRows
from affectkit.data.skipped import merge_skipped_files
from affectkit.pipeline import FaceAffect
from affectkit.pipeline.predict.journal import Journal, file_key
from affectkit.pipeline.predict.rows import COLUMNS, face_rows
from affectkit.record import RECORD_TYPE, read_records

SETTINGS = {"model": "a", "stride": 1}
FACE = FaceAffect((1.5, -2.0, 30.0, 30.0), 0.91, "Happy", {"Happy": 1.0}, 0.5, -0.25)


class PredictJournal(Target):
    """The journal of `affectkit predict`: gone on with as it was, or refused and left alone."""

    file = "rows.csv.progress.sqlite"
    tokens = (
        *(b"CREATE TABLE rows", b"CREATE VIEW rows AS SELECT 1", b"CREATE TRIGGER t", b"files"),
        *(b"SQLite format 3\0", b"\x02\x02", b"AFKP", b'{"model": ', b"[" * 5000, b"\xff\xfe"),
        *(b"/a.jpg", b"load_extension('x')", b"\x0d\0\0\0\0", b"\x80" * 9, b"\0" * 100),
    )

    def make_seeds(self) -> list[bytes]:
        self.output = self.path.with_name("rows.csv")
        self.name = self.output.name
        self.rows = []
        seeds = []
        for frames in (1, 60):  # the second one has pages inside of its tree
            for name in ("a.jpg", "b.mp4", "c.mp4"):
                with Journal(self.output, SETTINGS) as journal:
                    for frame in range(frames):
                        journal.write(face_rows(name, [FACE], frame))
                    journal.finish(name)
            seeds.append(self.path.read_bytes())
            self.rows.append(self.output.read_bytes())
            self.path.unlink()
            self.output.unlink()
        return seeds

    def put(self, content: bytes) -> None:
        for path in self.folder.glob(f"{self.file}*"):
            path.unlink()
        super().put(content)
        self.output.write_bytes(self.rows[0])

    def read(self) -> None:
        content, has_log = self.path.read_bytes(), len(list(self.folder.glob(f"{self.file}*"))) > 1
        try:
            with Journal(self.output, SETTINGS) as journal:
                known = set(journal.finished)
                journal.write(face_rows("d.jpg", []))
                journal.finish("d.jpg")
        except ValueError:
            assert self.output.read_bytes() == self.rows[0]
            assert has_log or self.path.read_bytes() == content  # the log is merged into it
            raise
        with Journal(self.output, SETTINGS) as journal:
            assert journal.finished == {*known, file_key("d.jpg")}
        with self.output.open(newline="", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file))
        assert rows[-1]["file"] == "d.jpg"
        assert list(rows[0]) == list(COLUMNS)


class JournalLog(PredictJournal):
    """What a killed process left beside the journal: its last transactions count, or don't."""

    tokens = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"\0" * 24, b"\xff" * 8)

    def make_seeds(self) -> list[bytes]:
        (self.base, _), self.log = super().make_seeds(), self.path.with_name(self.file + "-wal")
        super().put(self.base)
        with Journal(self.output, SETTINGS) as journal:
            for name in ("e.jpg", "f.jpg"):
                journal.write(face_rows(name, [FACE]))
                journal.finish(name)
            content = self.log.read_bytes()
        assert mend_log(content) == content
        return [content]

    def put(self, content: bytes) -> None:
        super().put(self.base)
        self.log.write_bytes(content)

    def make(self, random: Random) -> bytes:
        content = super().make(random)
        if random.random() < 0.7:
            content = mend_log(content)
            self.put(content)
        return content


def mend_log(content: bytes) -> bytes:
    """Give a spoilt write-ahead log its salts and check sums back, so that its frames are believed.

    https://sqlite.org/fileformat2.html#walformat: 32 bytes, then 24 before each page.
    """
    data, sums = bytearray(content), (0, 0)
    if len(data) < 32:
        return content
    data[:4], data[8:12] = struct.pack(">I", 0x377F0682), struct.pack(">I", 4096)
    data[24:32] = struct.pack(">2I", *(sums := add_sums(sums, data[:24])))
    for start in range(32, len(data) - 24 - 4096 + 1, 24 + 4096):
        data[start + 8 : start + 16] = data[16:24]
        sums = add_sums(sums, data[start : start + 8])
        sums = add_sums(sums, data[start + 24 : start + 24 + 4096])
        data[start + 16 : start + 24] = struct.pack(">2I", *sums)
    return bytes(data)


def add_sums(sums: tuple[int, int], data: bytes) -> tuple[int, int]:
    first, second = sums
    for one, two in struct.iter_unpack("<2I", data):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second


NOTEBOOKS = [Path("00_a.ipynb"), Path("01_b.ipynb")]
PICTURE = base64.b64encode(b"\x89PNG picture").decode()


class CourseSummary(Document):
    """The summary of a course that was killed, or goes on at a later notebook."""

    file = "run/summary.json"

    def document(self) -> dict:
        self.settings = CourseSettings()
        self.name = "run"
        fitted = {"baselines_fitted_on": "train", "bootstrap": {"resamples": 9, "clusters": 3}}
        fitted["bootstrap"]["unit"] = "image"
        return asdict(self.settings) | {
            "schema_version": 1,
            "status": "running",
            "failed": None,
            "affectkit": "0.1.0",
            "git_commit": None,
            "started": "2026-01-02T03:04:05+00:00",
            "protocol": "affectfaces",
            "metrics": {"classifier": RESULT | fitted, "regressor": None},
            "skipped_rows": 0,
            "notebooks": [
                {"name": "00_a", "seconds": 1.5, "status": "completed"},
                {"name": "01_b", "seconds": None, "status": "not run"},
            ],
            "versions": {"python": "3.11"},
            "machine": {"processor": "some", "cores": 2, "memory_bytes": 1, "system": "some"},
            "seconds": 3.5,
            "peak_memory_bytes": None,
        }

    def read(self) -> None:
        folder = self.path.parent
        entries = earlier_notebooks(NOTEBOOKS, NOTEBOOKS[1:], folder, self.settings)
        assert [entry["name"] for entry in entries] == ["00_a"]
        summary = cut_off_run(NOTEBOOKS, folder, self.settings)
        if summary is None:
            raise ValueError(f"{folder} is finished")
        assert summary["seconds"] + 1 > summary["seconds"] - 1
        collect_metrics(summary, folder)
        write_report(folder, summary).unlink()


class SkippedFile(Labels):
    """A list of skipped rows, which every notebook of a course adds to."""

    file = "skipped_rows.csv"
    header = ("file", "row", "reason", "remedy")

    def rows(self) -> list[list[str]]:
        return [["a.csv", "1", "no, not this", "mend it"], ["b.csv", "", "=1+1", "leave it"]]

    def make_seeds(self) -> list[bytes]:
        (self.folder / "logs").mkdir()
        super().make_seeds()
        self.name = "skipped_rows.csv"
        return [self.encode(self.header, self.rows())]

    def read(self) -> None:
        merged = self.folder / "logs" / "skipped_rows.csv"
        skipped = SkippedRows()
        skipped.add("c.csv", 7, "old", "none")
        skipped.to_csv(merged)
        rows = merge_skipped_files(merged, self.path)
        assert list(rows) == list(self.header)
        assert rows["row"].iloc[0] == "7"
        assert self.path.read_bytes() == merged.read_bytes()
        assert merge_skipped_files(merged, self.path).equals(rows)


class Executed(Document):
    """An executed notebook: its figures go to the report, its records to a sweep's table."""

    file = "00_hostile.ipynb"

    def document(self) -> dict:
        output = {"output_type": "display_data", "metadata": {}}
        outputs = [
            output | {"data": {"image/png": PICTURE, "text/plain": "figure"}},
            output | {"data": {RECORD_TYPE: {"name": "a", "value": 1.5}, "text/plain": "a"}},
        ]
        code = {"cell_type": "code", "execution_count": 1, "metadata": {"tags": []}}
        return {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
            "cells": [
                {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# A *title*"},
                code | {"id": "b", "source": ["1 + 1"], "outputs": outputs},
            ],
        }

    def read(self) -> None:
        found = read_figures(self.path)
        for figure in found.figures:
            assert isinstance(figure.caption + figure.png, str)
        assert isinstance(found.title, str)
        read_records(self.path)


class SweptRun(Document):
    """What a run of a sweep has written; one that is damaged is done again."""

    file = "run/run.json"

    def document(self) -> dict:
        self.run = SweepRun(Path("00_hostile.ipynb"), {"seed": 1}, self.path.parent)
        return self.run.entry(
            status="completed", seconds=1.5, records={"a": 1.5, "b": {"c": [1, 2]}}
        )

    def read(self) -> None:
        entry = self.run.completed()
        if entry is None:
            raise ValueError(f"{self.path} is no completed run")
        shutil.rmtree(self.folder / "table", ignore_errors=True)
        (self.folder / "table").mkdir()
        table = write_table([self.run], [entry], self.folder / "table")
        assert len(table) == len(pd.read_csv(self.folder / "table" / "sweep.csv")) == 1
        json.dumps(entry)


TARGETS = {
    "predict-journal": PredictJournal,
    "journal-log": JournalLog,
    "course-summary": CourseSummary,
    "skipped-csv": SkippedFile,
    "executed-notebook": Executed,
    "sweep-run": SweptRun,
}
