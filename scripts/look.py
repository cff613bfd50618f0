"""The built site as a browser shows it: python -m scripts.look SITE OUT [PAGE...]

Serves SITE on this machine, opens each page in headless Chromium at a desk's and a phone's width, light and
dark, and writes a picture of each into OUT. It fails where a page asks any other host for anything, writes an
error on its console, or is wider than its window.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from pathlib import Path
from typing import Annotated, Literal

import typer
from playwright.sync_api import Page, sync_playwright

WIDTHS_PX = {"desk": 1280, "phone": 390}
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def look(
    site: Annotated[Path, typer.Argument(help="the folder that `make docs` wrote")],
    out: Annotated[Path, typer.Argument(help="the folder for the pictures")],
    pages: Annotated[list[str] | None, typer.Argument(help="such as use/run; all without")] = None,
) -> None:
    """Take pictures of the pages, and fail where one is wrong."""
    names = pages or sorted(path.parent.relative_to(site).as_posix() for path in site.rglob("index.html"))
    out.mkdir(parents=True, exist_ok=True)
    handler = functools.partial(_Quiet, directory=str(site))
    faults: list[str] = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as play:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        home = f"http://127.0.0.1:{server.server_port}/"
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for scheme in SCHEMES:
            for kind, width in WIDTHS_PX.items():
                for name in names:
                    page = browser.new_page(
                        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
                    )
                    shot = out / f"{name.strip('.').replace('/', '-') or 'start'}-{scheme}-{kind}.png"
                    faults += [
                        f"{shot.stem}: {fault}" for fault in faults_of(page, f"{home}{name}/", home, shot)
                    ]
                    page.close()
        browser.close()
        server.shutdown()
    typer.echo("\n".join(faults) or f"{len(names)} pages, no fault")
    raise typer.Exit(1 if faults else 0)


def faults_of(page: Page, address: str, home: str, shot: Path) -> list[str]:
    """What is wrong with the page at ``address``, below ``home``; its picture becomes ``shot``."""
    asked: list[str] = []
    errors: list[str] = []

    def note_request(url: str) -> None:
        if not url.startswith((home, "data:", "blob:")):
            asked.append(f"asks for {url}")

    page.on("request", lambda request: note_request(request.url))
    page.on("console", lambda told: errors.append(told.text) if told.type == "error" else None)
    page.goto(address, wait_until="load")
    wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    page.screenshot(path=shot)
    return [*asked, *errors, *(["is wider than its window"] if wide else [])]


if __name__ == "__main__":
    typer.run(look)
