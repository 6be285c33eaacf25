"""Makes docs/images/compare*.png: a real comparison on the clip of the examples, in a real browser; light, dark, phone.

    python docs/screenshots.py [FOLDER]

Needs Chromium and `pip install playwright`, and the extra `evidence` for what the clip says besides.
"""

import json
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright
from vdesc import Cache, Settings
from vdesc.registry import Registry
from vdesc_compare.columns import asked
from vdesc_compare.comparing import compare
from vdesc_compare.comparison import Comparison
from vdesc_compare.page import write_page

ROOT = Path(__file__).resolve().parents[1]
CLIP = ROOT / "examples" / "street.mp4"
CAPTIONERS = "clipgpt,clipgpt@beam=5,clipgpt@temperature=0.8"
REFERENCES = [
    (0, 2, "Cars wait in a busy street."),
    (2, 5, "A cyclist waits behind a red bus."),
    (5, 7.4, "White cars and a bicycle stand behind a metal fence."),
    (7.4, 10, "People in dark coats walk along the street."),
]
"""What the maker of this script sees: seconds, seconds, words."""
PICTURES = {
    "compare": ("light", 1440, 1420),
    "compare-dark": ("dark", 1440, 1420),
    "compare-phone": ("light", 390, 1600),
}


def compared(video: Path, plugins: str = CAPTIONERS) -> Comparison:
    """The comparison of captioners on a video."""
    captioners, others = asked(plugins, None, Registry())
    settings = Settings(plugins=(*others, "yolox", "rapidocr"), keyframes="every:1s", formats=())
    said = video.with_suffix(".json")
    said.write_text(json.dumps([{"start": start, "end": end, "text": text} for start, end, text in REFERENCES]))
    made = compare([video], captioners, settings, {video: said}, Cache())[video]
    if isinstance(made, Exception):
        raise made
    return made


def shoot(page: Page, file: Path, path: Path, scheme: str, width: int, height: int) -> None:
    """A picture of the page `file` with its evidence on, in a light or dark scheme."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": height})
    page.goto(file.as_uri())
    while page.evaluate("document.querySelector('video').readyState") < 2:
        page.wait_for_timeout(50)
    page.get_by_role("checkbox", name="object").check()
    page.locator("h1").click()  # takes the focus off the box, whose key the space bar would be
    page.keyboard.press(" ")  # a video that never played keeps showing its first frame here
    page.wait_for_timeout(500)
    page.keyboard.press(" ")
    page.locator(".strip button").nth(6).click()
    page.mouse.move(0, 0)
    page.wait_for_timeout(4000)  # the browser's controls fade
    page.screenshot(path=path)


def main() -> None:
    """Makes all pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as desk, sync_playwright() as playwright:
        clip = Path(shutil.copy(CLIP, desk))
        file = write_page(compared(clip), Path(desk) / "street.html")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        for name, (scheme, width, height) in PICTURES.items():
            shoot(page, file, folder / f"{name}.png", scheme, width, height)
        browser.close()


if __name__ == "__main__":
    main()
