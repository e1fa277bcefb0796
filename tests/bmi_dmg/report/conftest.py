"""Pages as they are written, and a look inside."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmi_dmg.report import write_report


class Page(HTMLParser):
    """Elements and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.contents: dict[str, str] = {}
        self._id = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and, if it has an end, that it is open."""
        self.elements.append((tag, dict(attrs)))
        self._id = dict(attrs).get("id") or ""
        if tag not in ("meta", "link", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last."""
        assert self.open.pop() == tag
        self._id = ""

    def handle_data(self, data: str) -> None:
        """Keep text under the id of its element."""
        self.contents[self._id] = self.contents.get(self._id, "") + data

    @property
    def facts(self) -> dict[str, Any]:
        """All but the series."""
        return dict(json.loads(self.contents["facts"]))

    def series(self, role: str) -> np.ndarray:
        """A series, shape (N + 1, n)."""
        planes = np.frombuffer(zlib.decompress(base64.b64decode(self.contents[f"series-{role}"])), np.uint8).reshape(4, -1)
        return np.ascontiguousarray(planes.T).view("<f4").reshape(-1, self.facts["axis"]["n"])


@pytest.fixture(scope="session")
def read_page() -> Callable[[Path], Page]:
    """Give a reader of pages."""
    return lambda path: Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def observed(finished: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Observed flow of cat-2: 1.25 times what was simulated, with a gap on the sixth day."""
    flow = 1.25 * finished.daily["streamflow"][1]
    lines = [f"{np.datetime64('2020-01-30') + day},{'' if day == 5 else format(value, '.17g')}" for day, value in enumerate(flow)]
    path = tmp_path_factory.mktemp("observed") / "flow.csv"
    path.write_text("\n".join(["time,cat-2[mm d-1]", *lines]))
    return path


@pytest.fixture(scope="session")
def report(finished: Any, observed: Path) -> Path:
    """Give the page of the finished run, with observed flow."""
    return write_report(finished.folder, observed=observed)
