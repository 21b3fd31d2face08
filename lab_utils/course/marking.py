"""The marking page, served to this machine alone: a page, the class as JSON, and one change at a time back."""

import json
import secrets
import threading
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lab_utils.course.collected import Collection, code_of, numbers_of
from lab_utils.course.marks import LONGEST, MOST_PHRASES, NAME, STEP, Marks, plain, save_marks, sections
from lab_utils.course.names import folder_name
from lab_utils.course.reports import PAGE
from lab_utils.errors import LabError, explained
from lab_utils.manual import QUESTIONS, TITLE
from lab_utils.text import visible

PAGES = Path(__file__).parent / "page"
KINDS = {"mark.html": "text/html", "mark.css": "text/css", "mark.js": "text/javascript"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
OF_REPORT = "sandbox; default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'"
LARGEST = 64_000  # bytes of a change


class Marking:
    """The marks of a class while somebody gives them.

    Parameters
    ----------
    folder : Path
        Where ``dae-lab collect`` has written.
    collection : Collection
    marks : Marks
    """

    def __init__(self, folder: Path, collection: Collection, marks: Marks) -> None:
        self.folder, self.collection, self.marks = folder, collection, marks
        self._lock = threading.Lock()
        save_marks(folder, marks)
        self._seen = self._stamp()

    def _stamp(self) -> tuple[int, int]:
        state = (self.folder / NAME).stat()
        return state.st_mtime_ns, state.st_size

    def change(self, told: dict[str, Any]) -> dict[str, Any]:
        """Make one change and save it: {"student", "column", "value"}, or {"phrases": [...]}.

        Raises
        ------
        LabError
            The change is not allowed, or something else has changed the file; nothing is changed then.
        """
        with self._lock:
            changed = self.marks.model_copy(deep=False)
            changed.students = dict(self.marks.students)
            if "phrases" in told:
                changed.phrases = _phrases(told["phrases"])
            elif told.get("student") in self.collection.students and isinstance(told.get("column"), str):
                changed.change(told["student"], told["column"], told.get("value"))
            else:
                raise LabError("There is no such student.", "one of the class", "Reload the page.")
            if self._stamp() != self._seen:
                raise LabError(f"Something else has changed {NAME}.", "one program at a time", "Start again.")
            save_marks(self.folder, changed)
            self._seen, self.marks = self._stamp(), changed
            return self.state(told.get("student"))

    def state(self, student: str | None = None) -> dict[str, Any]:
        """The marks of one student, or of all, and the phrases."""
        ids = self.collection.students if student is None else [student]
        return {
            "students": {id: self.marks.of(id).model_dump() | {"total": self.marks.total(id)} for id in ids},
            "phrases": self.marks.phrases,
        }

    def class_told(self) -> dict[str, Any]:
        """All that is shown, and never changes while somebody marks."""
        return {
            "title": TITLE,
            "step": STEP,
            "longest": LONGEST,
            "items": [
                {
                    "id": id,
                    "points": points,
                    "section": title,
                    "question": QUESTIONS.get(id) or visible(self.collection.questions.get(id, "")),
                    "model": visible(self.collection.models.get(id, "")),
                }
                for title, ids in sections(self.marks.rubric).items()
                for id, points in ((id, self.marks.rubric[id]) for id in ids)
            ],
            "students": [self._student(id) for id in self.collection.students],
        }

    def _student(self, id: str) -> dict[str, Any]:
        row = self.collection.students[id]
        return {
            "id": id,
            "name": visible(row.name),
            "status": row.status,
            "handed_in": bool(row.asked),
            "answers": {id: visible(text) for id, text in row.answers.items()},
            "unanswered": row.unanswered,
            "facts": [asdict(fact) for fact in row.facts.values()],
            "notes": [
                visible(text)
                for text in (
                    *(f"code: {code_of(row)}" for _ in row.changes),
                    *(f"numbers: {numbers_of(row)}" for _ in row.numbers[:1]),
                    *row.numbers,
                    *row.alike,
                    *row.notes,
                )
            ],
            "folder": folder_name(id),
            "report": (self.folder / folder_name(id) / PAGE).is_file(),
        }


def _phrases(told: Any) -> list[str]:
    if not isinstance(told, list) or len(told) > MOST_PHRASES:
        raise LabError("That are too many comments.", f"at most {MOST_PHRASES}", "Remove one first.")
    return [text for text in dict.fromkeys(map(plain, told)) if text]


def serve(marking: Marking, port: int = 0) -> tuple[ThreadingHTTPServer, str]:
    """A server of the page on this machine's loopback, and the address, which holds a secret: who has it can mark.

    Parameters
    ----------
    marking : Marking
    port : int
        0 for any that is free.
    """
    token = secrets.token_urlsafe(24)
    server = ThreadingHTTPServer(
        ("127.0.0.1", port), type("Handler", (_Handler,), {"marking": marking, "token": token})
    )
    server.daemon_threads = True
    return server, f"http://127.0.0.1:{server.server_port}/{token}/"


class _Handler(BaseHTTPRequestHandler):
    """Answers to whoever knows the token and asks this machine by its number: no name of a foreign site leads here."""

    marking: Marking
    token: str
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """Give the page, its script and style, the class, the marks, or a student's report."""
        name = self._asked()
        if name is None:
            self._say(HTTPStatus.FORBIDDEN, b"Not for you.", "text/plain")
        elif name == "class.json":
            self._tell(HTTPStatus.OK, self.marking.class_told() | {"marks": self.marking.state()})
        elif (name or "mark.html") in KINDS:
            name = name or "mark.html"
            self._say(HTTPStatus.OK, (PAGES / name).read_bytes(), KINDS[name])
        elif (report := self._report(name)) is not None:
            self._say(HTTPStatus.OK, report, "text/html", OF_REPORT)
        else:
            self._say(HTTPStatus.NOT_FOUND, b"There is no such page.", "text/plain")

    def do_POST(self) -> None:
        """Make one change; the answer says what the student has now, or why it is not allowed."""
        length = self.headers.get("Content-Length", "")
        plain_json = self.headers.get("Content-Type") == "application/json"
        if self._asked() != "marks" or not plain_json or not length.isdecimal() or int(length) > LARGEST:
            self.close_connection = True
            return self._say(HTTPStatus.FORBIDDEN, b"Not for you.", "text/plain")
        try:
            told = json.loads(self.rfile.read(int(length)))
            if not isinstance(told, dict):
                raise ValueError("no object")
            return self._tell(HTTPStatus.OK, self.marking.change(told))
        except LabError as error:
            problem = f"{error.what} Allowed: {error.allowed}. {error.next_step}"
        except OSError as error:
            problem = str(explained(error))
        except ValueError as error:
            problem = f"That cannot be read: {error}"
        return self._tell(HTTPStatus.CONFLICT, {"problem": problem})

    def _asked(self) -> str | None:
        """What is asked for behind the token; None for whoever does not know it, or comes by another name."""
        here = f"127.0.0.1:{self.server.server_port}"
        first, _, name = self.path.removeprefix("/").partition("?")[0].partition("/")
        known = secrets.compare_digest(first.encode(), self.token.encode())
        origin = self.headers.get("Origin", f"http://{here}")
        return name if known and self.headers.get("Host") == here and origin == f"http://{here}" else None

    def _report(self, name: str) -> bytes | None:
        """A student's report; it is found by the student's ID, so that no path leads out of the folder."""
        folders = {f"report/{folder_name(id)}": id for id in self.marking.collection.students}
        if name not in folders:
            return None
        path = self.marking.folder / folder_name(folders[name]) / PAGE
        return path.read_bytes() if path.is_file() else None

    def _tell(self, status: HTTPStatus, value: Any) -> None:
        self._say(status, json.dumps(value).encode(), "application/json")

    def _say(self, status: HTTPStatus, content: bytes, kind: str, policy: str = POLICY) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the address is a secret."""
