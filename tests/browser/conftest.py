"""What the tests of the camera widget share: Chromium, and the folder of tools that runs it."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest

# Contrasts by WCAG 2: of every text that can be seen, and of every bar or its edge.
CONTRAST = """() => {
  const probe = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const parse = (colour) => {
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = colour;
    probe.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = probe.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
  const ground = (node) => {
    if (!node) return parse(getComputedStyle(document.body).backgroundColor).slice(0, 3);
    const own = parse(getComputedStyle(node).backgroundColor);
    return own[3] === 1 ? own.slice(0, 3) : over(own, ground(node.parentElement));
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, two) => {
    const [low, high] = [light(one), light(two)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const texts = {}, bars = {};
  for (const folded of document.querySelectorAll('.affect-camera details')) folded.open = true;
  for (const node of document.querySelectorAll('.affect-camera *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || !node.checkVisibility() || node.closest('[aria-disabled=true]')) continue;
    const style = getComputedStyle(node), behind = ground(node);
    const colour = over(parse(node instanceof SVGElement ? style.fill : style.color), behind);
    const name = node.className.baseVal ?? node.className;
    texts[`${name} ${node.textContent.slice(0, 20)}`] = ratio(colour, behind);
  }
  for (const row of document.querySelectorAll('.bars li')) {
    const fill = row.querySelector('.fill'), behind = ground(row.querySelector('.track'));
    const edge = getComputedStyle(fill).boxShadow.match(/^(?:rgba?|color|oklab)\\([^)]*\\)/);
    const inside = over(parse(getComputedStyle(fill).backgroundColor), behind);
    const border = edge ? over(parse(edge[0]), behind) : behind;
    const name = row.querySelector('.name').textContent;
    bars[name] = Math.max(ratio(inside, behind), ratio(border, behind));
  }
  return { texts, bars };
}"""
BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def tools():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        module = importlib.import_module("lab_browser")
    finally:
        sys.path.remove(str(BENCHMARKS))
    if module.find_chromium() is None:
        message = "needs Chromium: apt-get install chromium, or name it in the variable CHROMIUM"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(message)
        pytest.skip(message)
    return module


@pytest.fixture(scope="session")
def contrasts():
    """Gives a function that measures a page's contrasts: of texts and of bars, by name."""
    return lambda page: page.evaluate(CONTRAST)
