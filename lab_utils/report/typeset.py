"""A child process that compiles Typst: a list of requests in, one line with the error message of each out.

It runs as a script, so that it imports nothing but Typst. A request holds the arguments of ``typst.compile``;
"source" is a document as text in place of the path "input".
"""

import json
import sys

import typst


def compiled(request: dict) -> str:
    """Compile; what Typst refuses, or an empty text."""
    source = request.pop("source", None)
    try:
        typst.compile(source.encode() if source is not None else request.pop("input"), **request)
    except typst.TypstError as error:
        return error.message
    return ""


if __name__ == "__main__":
    for each in json.load(sys.stdin.buffer):
        print(json.dumps(compiled(each)), flush=True)
