"""The built site as a browser shows it: python -m scripts.look SITE OUT [PAGE...]

Serves SITE on this machine, opens each page in headless Chromium at a desk's and a phone's width, light and dark, and
writes a picture of each into OUT. It fails where a page asks any other host for anything, writes an error on its
console, or is wider than its window.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

WIDTHS_PX = {"desk": 1280, "phone": 390}
SCHEMES = ("light", "dark")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def look(
    site: Annotated[Path, typer.Argument(help="the folder that `make docs` wrote")],
    out: Annotated[Path, typer.Argument(help="the folder for the pictures")],
    pages: Annotated[list[str] | None, typer.Argument(help="such as use/run/; all without")] = None,
) -> None:
    """Take pictures of the pages, and fail where one is wrong."""
    from playwright.sync_api import sync_playwright

    pages = pages or sorted(
        str(p.parent.relative_to(site).as_posix()) + "/" for p in site.rglob("index.html")
    )
    out.mkdir(parents=True, exist_ok=True)
    handler = functools.partial(_Quiet, directory=str(site))
    faults: list[str] = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as play:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        home = f"http://127.0.0.1:{server.server_port}/"
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for scheme in SCHEMES:
            for kind, width in WIDTHS_PX.items():
                context = browser.new_context(
                    viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
                )
                page = context.new_page()
                where = ""
                page.on(
                    "request",
                    lambda request: (
                        None
                        if request.url.startswith((home, "data:", "blob:"))
                        else faults.append(f"{where} asks for {request.url}")
                    ),
                )
                page.on(
                    "console",
                    lambda text: faults.append(f"{where}: {text.text}") if text.type == "error" else None,
                )
                for name in pages:
                    where = f"{name} ({scheme}, {kind})"
                    page.goto(home + name.removeprefix("./"), wait_until="load")
                    if page.evaluate("document.documentElement.scrollWidth") > width:
                        faults.append(f"{where} is wider than its window")
                    shot = f"{name.strip('./').replace('/', '-') or 'start'}-{scheme}-{kind}.png"
                    page.screenshot(path=out / shot)
                context.close()
        browser.close()
        server.shutdown()
    print("\n".join(sorted(set(faults))) or f"{len(pages)} pages, no fault")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    typer.run(look)
