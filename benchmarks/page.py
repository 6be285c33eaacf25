"""How fast the page opens and scrolls in Chromium, and how large it is: a long video against one a tenth as long.

    python benchmarks/page.py [--slots 600] [--captioners 4] [--rounds 5]

Keyframes are photo-like JPEGs of 1280 x 720. Opening is timed from the navigation to the first captions on screen;
scrolling goes through the whole list in steps of 240 pixels, faster than anybody reads, and tells of the time between
the frames that were drawn and of the work of the page's main thread, which a busy machine changes less.
"""

import argparse
import os
import shutil
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright
from vdesc import Picture
from vdesc_compare.comparison import Comparison
from vdesc_compare.page import write_page

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from page_samples import comparison

SHOWN = """() => new Promise((done) => { const look = () => document.querySelector('.slot.filled .said')
  ? requestAnimationFrame(() => done(performance.now())) : setTimeout(look, 4); look(); })"""
SCROLL = """() => new Promise((done) => { const gaps = []; let last = performance.now(); let at = 0;
  const end = document.documentElement.scrollHeight - innerHeight;
  const step = (now) => { gaps.push(now - last); last = now; at += 240; scrollTo(0, at);
    if (at < end) requestAnimationFrame(step); else done(gaps); };
  requestAnimationFrame(step); })"""


def photos(folder: Path, count: int) -> list[Picture]:
    """Soft noise, which compresses like a photo."""
    draw, made = np.random.default_rng(0), []
    for i in range(count):
        noise = Image.fromarray(draw.integers(0, 256, (36, 64, 3), np.uint8))
        made.append(Picture(folder / f"{i}.jpg"))
        noise.resize((1280, 720), Image.Resampling.BICUBIC).save(made[-1].path, quality=90)
    return made


def long(slots: int, captioners: int, pictures: list[Picture]) -> Comparison:
    made = comparison(slots, tuple(f"captioner {i}" for i in range(captioners)))
    frames = tuple(replace(k, image=pictures[k.index % len(pictures)]) for k in made.scene.keyframes)
    return replace(made, scene=replace(made.scene, keyframes=frames))


def opened(browser: Any, path: Path) -> tuple[float, list[float], float]:
    """Milliseconds until captions are shown, between frames while scrolling through all, and of work in each."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    inside = page.context.new_cdp_session(page)
    inside.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(path.as_uri(), wait_until="commit")
    shown, before = page.evaluate(SHOWN), worked(inside)
    gaps = page.evaluate(SCROLL)
    work = (worked(inside) - before) / len(gaps)
    page.close()
    return shown, gaps, work


def worked(inside: Any) -> float:
    """Milliseconds that the page's main thread has been at work."""
    metrics = inside.send("Performance.getMetrics")["metrics"]
    return 1000 * next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("slots", 600), ("captioners", 4), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with TemporaryDirectory() as name, sync_playwright() as playwright:
        folder, took = Path(name), {}
        pictures = photos(folder, 60)
        for slots in (asked.slots, asked.slots // 10):
            start = time.perf_counter()
            path = write_page(long(slots, asked.captioners, pictures), folder / f"{slots}.html")
            print(
                f"{slots:5} slots: {path.stat().st_size / 1e6:6.1f} MB, written in {time.perf_counter() - start:.1f} s"
            )
            took[slots] = ([], [], [])
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=root)
        for _ in range(asked.rounds):
            for slots, (shown, gaps, work) in took.items():
                at, between, each = opened(browser, folder / f"{slots}.html")
                shown.append(at)
                gaps.extend(between)
                work.append(each)
        browser.close()
    for slots, (shown, gaps, work) in took.items():
        slow = sum(gap > 50 for gap in gaps) / len(gaps)
        median, worst = statistics.median(gaps), np.percentile(gaps, 99)
        print(f"{slots:5} slots: opens in {statistics.median(shown):.0f} ms (worst {max(shown):.0f}); between frames "
              f"{median:.1f} ms, 99 % under {worst:.0f} ms, {slow:.1%} over 50 ms; "
              f"work {statistics.median(work):.1f} ms a frame")  # fmt: skip
    one, other = (statistics.median(shown) for shown, _, _ in took.values())
    print(f"ten times the slots open in {one / other:.2f} times the time")


if __name__ == "__main__":
    main()
