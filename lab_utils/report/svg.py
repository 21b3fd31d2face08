"""``python svg.py FONTS``: an SVG from standard input as PNG on standard output; run apart from the package."""

import sys
import tempfile
from pathlib import Path

import typst

MEMORY = 1_500_000_000  # bytes
PAGE = '#set page(width: auto, height: auto, margin: 0pt)\n#image("drawing.svg", width: 16cm)\n'


def main() -> None:
    """Draw it 16 cm wide at 200 dots per inch; a drawing that cannot be read ends the process with an error."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "drawing.svg").write_bytes(sys.stdin.buffer.read())
        Path(folder, "page.typ").write_text(PAGE, encoding="utf-8")
        page = Path(folder, "page.typ")
        fonts = {"font_paths": [sys.argv[1]], "ignore_system_fonts": True}
        png = typst.compile(page, root=folder, format="png", ppi=200, **fonts)
    sys.stdout.buffer.write(png[0] if isinstance(png, list) else png)


if __name__ == "__main__":
    main()
