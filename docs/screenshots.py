"""Makes docs/images/compare.png and compare-dark.png: a real comparison on the clip of the examples, in a real browser.

    python docs/screenshots.py [FOLDER]

Needs Chromium and `pip install playwright`, and the extra `evidence` for what the clip says besides.
"""

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
WIDTH, HEIGHT = 1440, 1420


def compared(video: Path, plugins: str = CAPTIONERS) -> Comparison:
    """The comparison of captioners on a video."""
    captioners, others = asked(plugins, None, Registry())
    settings = Settings(plugins=(*others, "yolox", "rapidocr"), keyframes="every:1s", formats=())
    made = compare([video], captioners, settings, {}, Cache())[video]
    if isinstance(made, Exception):
        raise made
    return made


def shoot(page: Page, file: Path, path: Path, scheme: str) -> None:
    """A picture of the page `file` with its evidence on, in a light or dark scheme."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
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
    """Makes both pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as name, sync_playwright() as playwright:
        clip = Path(shutil.copy(CLIP, name))
        file = write_page(compared(clip), Path(name) / "street.html")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        for scheme, picture in (("light", "compare.png"), ("dark", "compare-dark.png")):
            shoot(page, file, folder / picture, scheme)
        browser.close()


if __name__ == "__main__":
    main()
