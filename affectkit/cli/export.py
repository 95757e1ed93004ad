"""`affectkit export`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from affectkit.cli.console import tell
from affectkit.cli.options import FormatName, Root, check_model, complete_model


def run(
    model: Annotated[
        str,
        typer.Argument(
            help="A checkpoint such as affectkit-real, a .keras file with its card, or the run "
            "folder of a course: its two networks become one with two outputs.",
            autocompletion=complete_model,
            callback=check_model,
        ),
    ],
    format: Annotated[
        FormatName,
        typer.Option(
            help="nano is a folder with all that a Jetson Nano needs; page one with the camera as "
            "a web page that needs no kernel, its network in int8."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the exported file and its manifest.")
    ],
    dataset: Annotated[
        Literal["affectfaces", "affectnet", "ferplus", "folder"],
        typer.Option(
            help="int8 measures its ranges on training faces: best on such as the model is for."
        ),
    ] = "affectfaces",
    root: Root = None,
    faces: Annotated[
        Path | None,
        typer.Option(
            help="Folder of photographs: the export is checked on their faces too; with nano, on "
            "the device as well."
        ),
    ] = None,
) -> None:
    """Export a model to another format; writes it with a manifest that explains it.

    The export is compared with the Keras model on faces, and refused when it is off.
    """
    from affectkit.export.export import export_model
    from affectkit.models.cards import find_model

    if format == "nano":
        _export_bundle(model, output, faces)
        return
    if format == "page":
        _export_page(model, output, dataset, root, faces)
        return
    path = export_model(model, format, output, dataset, root, faces)
    exported = find_model(path)
    total = sum(entry["bytes"] for entry in exported.files)
    for name, result in exported.card["verification"].items():
        differences = ", ".join(
            f"{output} {values['maximum_difference']:.2g} at most, "
            f"{values['mean_difference']:.2g} on average"
            for output, values in result["outputs"].items()
        )
        same = "" if result["agreement"] is None else f"; {result['agreement']:.1%} same expression"
        tell(f"{result['faces']} faces ({name}) differ from Keras by: {differences}{same}")
    tell(f"Exported: {exported.path} ({total / 1e6:.1f} MB)")
    tell(f"Manifest: {path}")


def _export_bundle(model: str, output: Path, faces: Path | None) -> None:
    from affectkit.export.nano.bundle import read_description, write_bundle

    folder = write_bundle(model, output, faces)
    description = read_description(folder)
    for name, forms in description["verification"].items():
        worst = {
            form: max(values["maximum_difference"] for values in result["outputs"].values())
            for form, result in forms.items()
        }
        differences = ", ".join(f"{form} by {most:.2g}" for form, most in worst.items())
        tell(
            f"{name}: {description['networks'][name]['nodes']} nodes; differs from Keras at most: "
            f"{differences} on {description['golden']['faces']} faces "
            f"({description['golden']['source']})"
        )
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    tell(f"Exported: {folder} ({total / 1e6:.1f} MB). Its README.md tells how to go on")


def _export_page(
    model: str, output: Path, dataset: str, root: Path | None, faces: Path | None
) -> None:
    from affectkit.export.export import export_model
    from affectkit.models.cards import checkpoint_names, find_model
    from affectkit.widgets.local_page import write_page

    with tempfile.TemporaryDirectory() as folder:
        if f"{model}-int8" in checkpoint_names():
            path = f"{model}-int8"
        elif Path(model).is_dir() or not find_model(model).form.startswith("tflite"):
            path = export_model(model, "tflite-int8", folder, dataset, root, faces)
        else:
            path = model
        write_page(output, path)
    total = sum(path.stat().st_size for path in output.iterdir())
    tell(f"Exported: {output} ({total / 1e6:.1f} MB)")
    tell(f"Try it with `python -m http.server --bind localhost --directory {output}`, or copy it")
    tell("to any host of https pages")
