"""`affectkit predict`: good and bad files, every end, and what the exit code tells."""

import contextlib
import json
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from affectkit.cli import app
from affectkit.labels import EXPRESSIONS
from affectkit.pipeline import PredictSettings, VideoWriter, predict_files, read_video
from affectkit.pipeline.predict.journal import Journal, journal_path, recover_table
from affectkit.pipeline.predict.rows import COLUMNS, PROBABILITY_COLUMNS

PROGRAM = [sys.executable, "-c", "from affectkit.cli import app; app()", "predict"]


@pytest.fixture(scope="module")
def face():
    """A drawn face, uint8 (200, 200, 3), RGB."""
    from affectkit.faces import render_face

    return np.pad(render_face(3, 160)[0], ((20, 20), (20, 20), (0, 0)), "edge")


@pytest.fixture(scope="module")
def material(tmp_path_factory, face):
    """One face in every form that a picture can have."""
    folder = tmp_path_factory.mktemp("material")
    picture = Image.fromarray(face)
    picture.save(folder / "plain.png")
    picture.convert("L").save(folder / "grey.png")
    cv2.imwrite(str(folder / "16 bit.png"), face[..., ::-1].astype(np.uint16) * 257)
    cv2.imwrite(
        str(folder / "16 bit grey.png"), np.asarray(picture.convert("L")).astype("u2") * 257
    )
    picture.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    picture.convert("RGBA").save(folder / "alpha.webp", quality=95)
    picture.convert("P").save(folder / "palette.gif")
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned clockwise by a quarter
    picture.rotate(90).save(folder / "telephone.jpg", exif=turned, quality=95)
    picture.save(folder / "名前 mit Blank.jpg", quality=95)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory, face):
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    write_clip(path, face, 10)
    return path


def write_clip(path, face, count):
    with VideoWriter(path, 10) as writer:
        for index in range(count):
            writer.write(np.roll(face[..., ::-1], index % 20, axis=1))


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(app, ["predict", *(str(argument) for argument in arguments)])
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def wait_for_files(output, count, process):
    """Wait until the journal of a running command has rows of so many files; it is locked."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(OSError, ValueError):
            copy = Path(folder, output.name)
            for ending in ("", "-wal"):
                name = journal_path(output).name + ending
                shutil.copy(output.with_name(name), copy.with_name(name))
            if recover_table(copy) >= count:
                return
        time.sleep(0.02)
    raise AssertionError(f"{output} did not get {count} files")


def test_a_balanced_prior_makes_other_rows_and_none_goes_on_with_the_others(material, tmp_path):
    picture, output = material / "plain.png", tmp_path / "rows.csv"
    run(picture, "--output", tmp_path / "trained.csv")
    run(picture, "--output", output, "--prior", "balanced")
    (trained,), (balanced,) = (
        pd.read_csv(path).to_dict("records") for path in (tmp_path / "trained.csv", output)
    )
    for row in (trained, balanced):
        assert row["plausible"].split(";")[0] == row["expression"]
    assert balanced["probability_fear"] > trained["probability_fear"]
    assert balanced["valence"] == trained["valence"]
    assert "prior" in run(picture, "--output", output, exit_code=2)
    text = run(picture, "--output", tmp_path / "a.csv", "--prior", "flat", exit_code=2)
    assert "'flat' is not one of 'trained'" in text


def test_every_form_of_a_picture_gives_the_same_face(material, tmp_path):
    output = tmp_path / "rows.csv"
    text = run(material, "--output", output, "--annotate", tmp_path / "drawn")
    assert "9 faces in 9 files" in text
    rows = pd.read_csv(output)
    assert list(rows) == list(COLUMNS)
    assert len(rows) == 9
    assert rows["frame"].isna().all()
    assert (rows["face"] == 0).all()
    assert rows["file"].str.startswith(str(material)).all()
    plain = rows[rows["file"].str.endswith("plain.png")].iloc[0]
    for name in ("x", "y", "width"):
        assert (rows[name] - plain[name]).abs().max() < 12
    assert (rows["expression"] == rows[list(PROBABILITY_COLUMNS)].idxmax(axis=1).str[12:].map(
        {name.lower(): name for name in EXPRESSIONS})).all()  # fmt: skip
    colour = rows[~rows["file"].str.contains("grey")]
    assert (colour["valence"] - plain["valence"]).abs().max() < 0.3
    drawn = {str(path.relative_to(tmp_path / "drawn")) for path in (tmp_path / "drawn").iterdir()}
    assert drawn == {
        "plain.png", "grey.png", "16 bit.png", "16 bit grey.png", "cmyk.jpg", "alpha.webp.png",
        "palette.gif.png", "telephone.jpg", "名前 mit Blank.jpg",
    }  # fmt: skip
    before, after = (np.asarray(Image.open(path / "plain.png"), int) for path in
                     (material, tmp_path / "drawn"))  # fmt: skip
    assert 300 < (np.abs(before - after).max(axis=2) > 30).sum() < 12_000


def make_bad_files(folder, face):
    """Bad files by the words that tell what is wrong with them."""
    picture = Image.fromarray(face)
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("no picture\n" * 100)
    picture.save(folder / "truncated.png")
    content = (folder / "truncated.png").read_bytes()
    (folder / "truncated.png").write_bytes(content[: len(content) // 2])
    Image.new("1", (15_000, 10_000)).save(folder / "large.png")
    Image.new("1", (20_000, 20_000)).save(folder / "bomb.png")
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("no video\n" * 100)
    write_clip(folder / "cut.mp4", face, 10)
    content = (folder / "cut.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(content[: len(content) // 2])
    write_clip(folder / "no frames.avi", face, 10)
    content = (folder / "no frames.avi").read_bytes()
    (folder / "no frames.avi").write_bytes(content[: content.index(b"movi") + 4])
    (folder / "folder.jpg").mkdir()
    (folder / "lost.jpg").symlink_to(folder / "absent.jpg")
    return {
        "empty.jpg": "can't be read as an image",
        "text.jpg": "can't be read as an image",
        "truncated.png": "can't be read as an image",
        "large.png": "has 15000 x 10000 pixels; the limit is 100000000",
        "bomb.png": "could be decompression bomb",
        "empty.mp4": "is empty (0 bytes)",
        "text.mp4": "can't be read as a video",
        "cut.mp4": "can't be read as a video",
        "no frames.avi": ("has no frame", "can't be read as a video"),
        "lost.jpg": "does not exist",
    }


def test_bad_files_are_told_and_listed_and_the_others_are_done(face, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    bad = make_bad_files(folder, face)
    Image.fromarray(face).save(folder / "good.png")
    write_clip(folder / "good.mp4", face, 3)
    text = run(folder, "absent.jpg", "*.none", "--output", tmp_path / "rows.csv", exit_code=1)
    assert "4 faces in 2 files" in text
    skipped = pd.read_csv(tmp_path / "rows_skipped.csv").set_index("file")["reason"]
    expected = {str(folder / name): reason for name, reason in bad.items()}
    expected |= {"absent.jpg": "does not exist", "*.none": "matches no file"}
    assert set(skipped.index) == set(expected)
    for name, reasons in expected.items():
        assert any(part in skipped[name] for part in np.atleast_1d(reasons)), skipped[name]
        assert name in text
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert set(rows["file"]) == {str(folder / "good.png"), str(folder / "good.mp4")}
    # mended, only they are done, and nothing is listed any more
    for name in bad:
        (folder / name).unlink()
    Image.fromarray(face).save(folder / "empty.jpg")
    assert "1 faces in 1 files, 2 done before" in run(folder, "--output", tmp_path / "rows.csv")
    assert not (tmp_path / "rows_skipped.csv").exists()
    assert len(pd.read_csv(tmp_path / "rows.csv")) == 5


def test_a_truncated_video_gives_its_frames_and_a_note(face, tmp_path):
    path = tmp_path / "short.avi"
    write_clip(path, face, 60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    text = run(path, "--output", tmp_path / "rows.csv")
    assert "Note: " in text
    assert "of its 60 frames: it is truncated" in text
    assert 15 < len(pd.read_csv(tmp_path / "rows.csv")) < 45


def test_an_animated_picture_is_its_first_frame_with_a_note(face, tmp_path):
    frames = [Image.fromarray(face), Image.fromarray(face[:, ::-1])]
    for name in ("a.gif", "a.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    text = run(tmp_path, "--output", tmp_path / "rows.csv")
    assert "a.gif has 2 frames: the first one is used" in text
    assert "a.webp has 2 frames" in text
    assert len(pd.read_csv(tmp_path / "rows.csv")) == 2


@pytest.mark.slow
def test_a_picture_of_30000_pixels_is_read(face, tmp_path):
    wide = np.full((2000, 30_000, 3), 128, np.uint8)
    wide[:, 14_000:16_000] = cv2.resize(face, (2000, 2000))
    Image.fromarray(wide).save(tmp_path / "wide.jpg")
    run(tmp_path, "--output", tmp_path / "rows.csv")
    (row,) = pd.read_csv(tmp_path / "rows.csv").itertuples()
    assert 14_500 < row.x + row.width / 2 < 15_500
    assert 700 < row.width < 2100


def test_videos_have_rows_of_every_frame_and_annotated_copies(clip, tmp_path):
    run("-v", clip, "--output", tmp_path / "rows.jsonl", "--annotate", tmp_path / "out.mp4",
        "--smoothing", 0.5)  # fmt: skip
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(10))
    np.testing.assert_allclose([row["seconds"] for row in rows], np.arange(10) / 10, atol=1e-6)
    assert {row["track"] for row in rows} == {0}
    frames = list(read_video(tmp_path / "out.mp4"))
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(10) / 10, atol=1e-6)
    run(clip, "--output", tmp_path / "third.csv", "--stride", 3)
    assert pd.read_csv(tmp_path / "third.csv")["frame"].tolist() == [0, 3, 6, 9]


def test_pictures_and_frames_without_a_face_stay_visible(tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "nobody.png")
    with VideoWriter(tmp_path / "nobody.mp4", 25) as writer:
        for _ in range(3):
            writer.write(np.zeros((64, 64, 3), np.uint8))
    assert "0 faces in 2 files" in run(tmp_path, "--output", tmp_path / "rows.csv")
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert len(rows) == 4
    assert rows["face"].isna().all()
    assert rows["file"].notna().all()


def test_workers_write_the_same_rows_in_the_same_order(material, tmp_path):
    for workers in (1, 2):
        run(material, material / "absent.jpg", "--workers", workers, "--output",
            tmp_path / f"{workers}.csv", exit_code=1)  # fmt: skip
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


def test_parquet_is_written(material, tmp_path):
    run(material, "--output", tmp_path / "rows.parquet")
    run(material, "--output", tmp_path / "rows.csv")
    parquet, text = pd.read_parquet(tmp_path / "rows.parquet"), pd.read_csv(tmp_path / "rows.csv")
    pd.testing.assert_frame_equal(parquet, text, check_dtype=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "rows.csv"], "name at least one"),
        (["absent.jpg", "--output", "rows.csv"], "absent.jpg does not exist"),
        ([".", "--output", "rows.csv"], "no picture or video in these folders"),
        (["{clip}", "--output", "rows.xlsx"], ".csv, .parquet, .jsonl"),
        (["{clip}", "--output", "rows.csv", "--detector", "eyes"], "eyes"),
        (["{clip}", "--output", "rows.csv", "--annotate", "out.webm"], ".mp4, .mkv, .avi"),
        (["{clip}", "{clip}/../clip.*", "absent.jpg", "--output", "/dev/null/rows.csv"], "written"),
    ],
)
def test_what_is_impossible_is_one_message_and_leaves_nothing(
    clip, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    text = run(*(argument.format(clip=clip) for argument in arguments), exit_code=2)
    assert "Error: " in text
    assert message in text
    assert list(tmp_path.iterdir()) == []


def test_all_files_bad_is_exit_code_2(tmp_path):
    (tmp_path / "a.jpg").touch()
    assert "1 file found = 0 predicted + 0 left out + 1 failed" in run(
        tmp_path, "--output", tmp_path / "rows.csv", exit_code=2
    )


def test_a_full_disk_ends_the_run_with_what_is_done(material, tmp_path):
    output = tmp_path / "rows.csv"

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    command = [*PROGRAM, str(material), "--output", str(output)]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "can't be written" in done.stderr
    assert "Traceback" not in done.stderr
    finished = len(pd.read_csv(output))
    assert 0 < finished < 9
    assert f"{9 - finished} files, {finished} done before" in run(material, "--output", output)
    assert len(pd.read_csv(output)) == 9


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_loses_no_file_and_doubles_none(face, tmp_path, workers):
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(60):
        Image.fromarray(np.roll(face, index, axis=1)).save(folder / f"{index:02}.png")
    output = tmp_path / "rows.csv"
    command = [*PROGRAM, str(folder), "--output", str(output), "--workers", str(workers)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for_files(output, 5, process)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate(timeout=30)  # also waits for the workers: they hold the pipe
    assert not output.exists()
    told = f"affectkit predict --output {output}"
    assert f"`{told}`" in errors  # and that very command writes what is done
    text = run(*told.split()[2:])
    before = len(pd.read_csv(output))
    assert 5 <= before < 60
    assert f"the rows of {before} finished files" in text
    assert "done before" in run(folder, "--output", output)
    rows = pd.read_csv(output)
    names = [str(folder / f"{index:02}.png") for index in range(60)]
    assert rows["file"].drop_duplicates().tolist() == names
    reference = tmp_path / "reference.csv"
    run(folder, "--output", reference)
    assert output.read_bytes() == reference.read_bytes()


def test_a_second_writer_is_refused_and_the_first_one_goes_on(material, tmp_path):
    output = tmp_path / "rows.csv"
    with Journal(output, {"a": 1}) as journal:
        command = [*PROGRAM, "--output", str(output)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        assert f"another process is writing {output}: wait for it" in done.stderr
        for more in ([], ["--overwrite"]):
            text = run(material, "--output", output, *more, exit_code=2)
            assert "another process is writing" in text
        journal.finish("a.jpg")
    assert output.exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_keeps_its_rows_and_a_playable_video(face, tmp_path, number, code):
    clip, output, drawn = (tmp_path / name for name in ("clip.mp4", "rows.csv", "drawn.mp4"))
    write_clip(clip, face, 200)
    command = [*PROGRAM, str(clip), "--output", str(output), "--annotate", str(drawn)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:  # OpenCV has written some of the annotated frames
        if any(path.stat().st_size for path in tmp_path.glob(".partial-*-drawn.mp4")):
            break
        time.sleep(0.005)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    written = len(pd.read_csv(output))
    assert 0 < written < 200
    assert written - 2 <= len(list(read_video(drawn))) <= written
    run(clip, "--output", output, "--annotate", drawn)
    assert pd.read_csv(output)["frame"].tolist() == list(range(200))
    assert len(list(read_video(drawn))) == 200


def test_the_function_warns_about_what_it_skips(material, tmp_path):
    (tmp_path / "bad.jpg").touch()
    shutil.copy(material / "plain.png", tmp_path)
    with pytest.warns(UserWarning, match=r"skipped: .*bad\.jpg can't be read"):
        summary = predict_files([tmp_path], tmp_path / "rows.csv", progress=False)
    assert (summary.finished, summary.faces, len(summary.failed)) == (1, 1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary = predict_files([tmp_path / "plain.png"], tmp_path / "rows.csv", progress=False)
    assert (summary.finished, summary.finished_before) == (0, 1)
    with pytest.raises(ValueError, match="at least 1 worker"):
        PredictSettings(workers=0)
    with pytest.raises(ValueError, match="stride of at least 1"):
        PredictSettings(stride=0)


@pytest.mark.filterwarnings("ignore:skipped")
def test_no_spreadsheet_takes_a_skipped_name_for_a_formula(face, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bad = ["=1+1.jpg", "+x.png", "-x.png", "@x.jpg"]
    for name in bad:
        Path(name).touch()
    Image.fromarray(face).save("=good.png")
    summary = predict_files([*bad, "=gone.jpg", "=good.png"], "rows.csv", progress=False)
    assert sorted(name for name, _ in summary.failed) == sorted([*bad, "=gone.jpg"])
    rows = pd.read_csv("rows_skipped.csv")
    assert sorted(rows["file"]) == sorted(f"./{name}" for name in (*bad, "=gone.jpg"))
    assert not rows["reason"].str.startswith(tuple("=+-@")).any()
    assert all(Path(name).exists() for name in rows["file"] if "gone" not in name)
    assert pd.read_csv("rows.csv")["file"].tolist() == ["./=good.png"]
