"""A person's file is never replaced, a file is whole or not there, and nothing temporary stays."""

import os
import subprocess
import sys

import pytest

from lab_utils import files


def test_what_the_lab_wrote_is_replaced_without_a_word(tmp_path):
    path = tmp_path / "out" / "report.pdf"
    assert files.put(path, b"one") is None
    assert files.put(path, b"two") is None
    assert path.read_bytes() == b"two"
    assert sorted(os.listdir(path.parent)) == [files.WRITTEN, "report.pdf"]


@pytest.mark.parametrize("theirs", [b"edited", b""])
def test_what_a_person_changed_or_put_there_is_set_aside(tmp_path, theirs):
    path = tmp_path / "report.pdf"
    files.put(path, b"one")
    path.write_bytes(theirs)
    aside = files.put(path, b"two")
    assert aside.read_bytes() == theirs and path.read_bytes() == b"two"
    assert ".yours-20" in aside.name and aside.suffix == ".pdf"
    path.write_bytes(theirs + b" again")
    other = files.put(path, b"three")
    assert other != aside and other.read_bytes() == theirs + b" again" and aside.read_bytes() == theirs
    foreign = tmp_path / "mine.txt"
    foreign.write_bytes(theirs)
    assert files.put(foreign, b"lab").read_bytes() == theirs


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"a.txt": 3}', '{"a.txt": [[]]}', "\0"])
def test_a_damaged_note_loses_nothing(tmp_path, record):
    (tmp_path / files.WRITTEN).write_text(record)
    (tmp_path / "a.txt").write_bytes(b"theirs")
    assert files.put(tmp_path / "a.txt", b"lab").read_bytes() == b"theirs"
    assert files.put(tmp_path / "a.txt", b"lab 2") is None


def test_a_process_killed_between_note_and_file_leaves_a_file_that_is_ours(tmp_path):
    program = """
import os, sys
from pathlib import Path
from lab_utils import files
files.put(Path(sys.argv[1]), b"one")
replace = os.replace
os.replace = lambda a, b: os._exit(9) if str(b) == sys.argv[1] else replace(a, b)
files.put(Path(sys.argv[1]), b"two")
"""
    path = tmp_path / "a.txt"
    assert subprocess.run([sys.executable, "-c", program, str(path)]).returncode == 9
    assert path.read_bytes() == b"one" and files.is_ours(path)
    assert files.put(path, b"three") is None
    assert sorted(os.listdir(tmp_path)) == [files.WRITTEN, "a.txt"], "its half-written file goes as well"


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_new_files_have_the_permissions_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        files.put(tmp_path / "a.txt", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def test_scratch_folders_of_killed_processes_go_with_the_next_use(own_cache):
    program = "import os\nfrom lab_utils import files\nwith files.scratch() as s: (s / 'x').touch(); os._exit(1)"
    subprocess.run([sys.executable, "-c", program])
    assert len(os.listdir(own_cache / "scratch")) == 1
    with files.scratch() as mine:
        assert os.listdir(own_cache / "scratch") == [mine.name]
    assert os.listdir(own_cache / "scratch") == []


@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="only root can become an unknown user")
def test_a_user_without_a_home_has_a_folder_among_the_temporary_ones():
    program = """
import os
from lab_utils import errors, files
os.setuid(54321)
for name in ("HOME", "DAE_LAB_CACHE", "XDG_CACHE_HOME"):
    os.environ.pop(name, None)
print(files.home())
os.environ["DAE_LAB_CACHE"] = "~nosuchuser/x"
try:
    files.home()
except errors.LabError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "dae-lab-54321\n" in done.stdout and "Set it to another folder" in done.stdout, done
