"""Files from which an interrupted prediction, course or sweep goes on."""

from __future__ import annotations

import base64
import csv
import json
import shutil
from dataclasses import asdict
from pathlib import Path

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
from affectkit.pipeline.predict.rows import COLUMNS, face_rows
from affectkit.pipeline.predict.sink import PredictionOutput
from affectkit.record import RECORD_TYPE, read_records

SETTINGS = {"model": "a", "stride": 1}


class Progress(Target):
    """The progress file of `affectkit predict`: no finished row is lost without a word."""

    file = "rows.csv.progress"
    tokens = (
        *(b'{"settings": ', b'"end": ', b"-1", b"99999999999999999999", b"NaN", b"\n", b"{}\n"),
        *(b'{"file": "/x", "end": 300}\n', b'"file": ', b"[" * 50_000, b'"\\ud800"', b"null\n"),
    )

    def make_seeds(self) -> list[bytes]:
        self.output = self.path.with_suffix("")
        with PredictionOutput(self.output, SETTINGS) as output:
            for name in ("a.jpg", "b.jpg", "c.jpg"):
                with output.file(name) as write:
                    write(face_rows(name, []))
        self.rows = self.rows_file().read_bytes()
        self.name = self.output.name
        return [self.path.read_bytes()]

    def rows_file(self) -> Path:
        return self.output

    def put(self, content: bytes) -> None:
        super().put(content)
        self.rows_file().write_bytes(self.rows)

    def read(self) -> None:
        content = self.path.read_bytes()
        try:
            with PredictionOutput(self.output, SETTINGS) as output:
                known = set(output.finished)
                kept = self.rows_file().read_bytes()
                with output.file("d.jpg") as write:
                    write(face_rows("d.jpg", []))
        except ValueError:
            assert (self.path.read_bytes(), self.rows_file().read_bytes()) == (content, self.rows)
            raise
        assert self.rows.startswith(kept)
        assert kept
        with PredictionOutput(self.output, SETTINGS) as output:
            assert len(output.finished) == len({*known, *output.finished})
        self.check()

    def check(self) -> None:
        with self.output.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows[-1]["file"] == "d.jpg"


class ParquetRows(Progress):
    """The rows that become a Parquet file at the end; the progress file vouches for them."""

    file = "rows.parquet.progress"
    tokens = (
        b"null",
        b"{}",
        b"[]",
        b'{"file": 3}',
        b"1e999",
        b"\xff",
        b"9" * 30,
        b"\n",
        b"[" * 9999,
    )

    def make_seeds(self) -> list[bytes]:
        super().make_seeds()
        self.journal = self.path.read_bytes()
        return [self.rows]

    def rows_file(self) -> Path:
        return self.output.with_name("rows.parquet.rows.jsonl")

    def put(self, content: bytes) -> None:
        self.path.write_bytes(self.journal)
        self.rows_file().write_bytes(content)

    def read(self) -> None:
        with PredictionOutput(self.output, SETTINGS):
            pass
        table = pd.read_parquet(self.output)
        assert list(table.columns) == list(COLUMNS)


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
    "predict-progress": Progress,
    "parquet-rows": ParquetRows,
    "course-summary": CourseSummary,
    "skipped-csv": SkippedFile,
    "executed-notebook": Executed,
    "sweep-run": SweptRun,
}
