"""The command as a process of its own: signals, workers, clients, what it prints."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from ltp_deploy import load
from tests.serve.serving import (
    SECONDS,
    child_ids,
    end,
    is_ready,
    printed,
    process,
    until,
)
from tests.serve.test_metrics import samples

pytestmark = pytest.mark.slow


def slow_request(url: str, texts: int = 200) -> httpx.Response:
    """One that takes some time even of a tiny model."""
    body = {"inputs": [["the film is not very good . " * 5]] * texts}
    return httpx.post(f"{url}/predict", json=body, timeout=SECONDS)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_lets_it_finish_what_it_has_begun(workers: int, classifier: Path) -> None:
    # Pieces of few tokens, so that the request takes a while.
    options = ("--batch-tokens", 1, "--workers", workers)
    with process(f"films={classifier}", *options) as (started, url):
        until(lambda: all_ready(url))
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(slow_request, url)
            until(lambda: in_flight(url) == 2)
            started.send_signal(signal.SIGTERM)
            until(lambda: not listens(url))
            assert answer.result(SECONDS).status_code == 200
            assert len(answer.result().json()) == 200
        status, text = printed(started)
        assert status == 0
        assert "draining" in text
        assert "Traceback" not in text


def in_flight(url: str) -> float:
    return samples(httpx.get(f"{url}/metrics").text)["ltp_in_flight",]


def listens(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_it_listens_on_for_as_long_as_it_is_told_to(classifier: Path) -> None:
    with process(f"films={classifier}", "--drain", 60) as (started, url):
        started.send_signal(signal.SIGTERM)
        until(lambda: not is_ready(url))
        assert httpx.get(f"{url}/health/live").status_code == 200
        refused = httpx.post(f"{url}/predict", json={"inputs": "dull"})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert end(started)[0] == 0, "a second signal ends the wait"


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_ends_its_wait_without_a_word(workers: int, classifier: Path) -> None:
    options = ("--workers", workers, "--drain", 60)
    with process(f"films={classifier}", *options) as (started, url):
        started.send_signal(signal.SIGINT)
        until(lambda: not is_ready(url))
        started.send_signal(signal.SIGINT)
        status, text = printed(started)
    assert status == 0
    assert "Traceback" not in text
    assert "ERROR" not in text


def test_a_terminal_that_goes_leaves_nothing_of_its_workers(
    classifier: Path, tmp_path: Path
) -> None:
    environment = {"TMPDIR": str(tmp_path)}
    options = (f"films={classifier}", "--workers", 2)
    with process(*options, env=environment) as (started, url):
        until(lambda: is_ready(url))
        started.send_signal(signal.SIGHUP)
        assert printed(started)[0] == 0
    assert list(tmp_path.iterdir()) == []


def test_a_sender_that_never_ends_does_not_keep_it(classifier: Path) -> None:
    with process(f"films={classifier}", "--grace", 1) as (started, url):
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as sender:
            sender.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            until(lambda: in_flight(url) == 2)
            status, text = end(started)
            assert sender.recv(1000).startswith(b"HTTP/1.1 503 ")
        assert status == 0
        assert "Traceback" not in text


def test_it_may_be_told_to_end_while_it_loads(classifier: Path) -> None:
    command = [sys.executable, "-m", "ltp_deploy.cli", "serve", f"films={classifier}"]
    with subprocess.Popen([*command, "--port", "0"], stderr=subprocess.PIPE) as started:
        assert started.stderr is not None
        url = re.search(r"http://\S+", started.stderr.readline().decode())[0]
        until(lambda: listens_alive(url))
        assert end(started)[0] == 0


def listens_alive(url: str) -> bool:
    return httpx.get(f"{url}/health/live", timeout=SECONDS).status_code == 200


def test_workers_share_the_weights_and_count_together(classifier: Path) -> None:
    with process(f"films={classifier}", "--workers", 2) as (started, url):
        until(lambda: len(serving_workers(started.pid)) == 2 and all_ready(url))
        workers = serving_workers(started.pid)
        for pid in workers:
            found = mapped(pid, "engine.bin")
            assert found["access"][:2] == "r-"
            assert found["Rss"] > 0
            assert found["Private_Dirty"] == found["Private_Clean"] == 0
            assert found["Pss"] < found["Rss"]
        # A connection for each request, so that both workers get some.
        for _ in range(40):
            assert httpx.post(f"{url}/predict", json={"inputs": "dull"}).status_code == 200
        found = samples(httpx.get(f"{url}/metrics").text)
        assert found["ltp_requests_total", "films", "/predict", "200"] == 40
        assert found["ltp_sequences_total", "films"] == 40
        status, text = end(started)
        assert status == 0, text
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def all_ready(url: str) -> bool:
    """Whether all workers are: connections come to any of them."""
    return all(is_ready(url) for _ in range(20))


def serving_workers(parent: int) -> list[int]:
    return [pid for pid in child_ids(parent) if mapped(pid, "engine.bin")]


def mapped(pid: int, name: str) -> dict[str, object]:
    """What /proc says of a process's mapping of a file, in KiB; {} where there is none."""
    try:
        text = Path(f"/proc/{pid}/smaps").read_text()
    except OSError:
        return {}
    for part in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", text, flags=re.MULTILINE):
        head, _, rest = part.partition("\n")
        if head.endswith(f"/{name}"):
            sizes = re.findall(r"^(\w+): +(\d+) kB$", rest, re.MULTILINE)
            return {"access": head.split()[1], **{key: int(size) for key, size in sizes}}
    return {}


def test_another_worker_takes_the_place_of_one_that_died(classifier: Path) -> None:
    with process(f"films={classifier}", "--workers", 2) as (started, url):
        until(lambda: len(serving_workers(started.pid)) == 2 and all_ready(url))
        before = serving_workers(started.pid)
        for _ in range(20):
            httpx.post(f"{url}/predict", json={"inputs": "dull"})
        os.kill(before[0], signal.SIGKILL)
        until(lambda: len(set(serving_workers(started.pid)) - set(before)) == 1)
        until(lambda: all_ready(url))
        found = samples(httpx.get(f"{url}/metrics").text)
        assert found["ltp_sequences_total", "films"] == 20, "what it had counted still counts"
        status, text = end(started)
        assert status == 0
        assert f"worker {before[0]} ended with -9; another one begins" in text


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bundle_that_cannot_be_loaded_ends_it(
    workers: int, classifier: Path, tmp_path: Path
) -> None:
    text = what_fails(f"films={classifier}", tmp_path, "--workers", workers, "--port", 0)
    assert f"Error: {tmp_path} is not a bundle" in text
    assert "Traceback" not in text


def what_fails(*arguments: object) -> str:
    """What `ltp-deploy serve` prints, which ends with status 1."""
    command = [sys.executable, "-m", "ltp_deploy.cli", "serve", *map(str, arguments)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 1, found.stderr
    return found.stderr


def test_tritonclient_gets_the_librarys_answers(classifier: Path) -> None:
    triton = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed")
    texts = ["the film is good .", "dull", "größer"]
    with load(classifier) as engine:
        expected = engine(texts).logits
        batch = engine.tokenize(texts)
    with process(f"films={classifier}") as (_, url):
        with triton.InferenceServerClient(url.removeprefix("http://")) as client:
            assert client.is_server_live()
            assert client.is_server_ready()
            assert client.is_model_ready("films")
            assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
            assert client.get_model_metadata("films", "1")["name"] == "films"
            given = triton.InferInput("text", [3], "BYTES")
            for binary in (True, False):
                given.set_data_from_numpy(np.array(texts, object), binary_data=binary)
                found = client.infer("films", [given], request_id="9")
                np.testing.assert_array_equal(found.as_numpy("logits"), expected)
                assert found.get_response()["id"] == "9"
            wanted = triton.InferRequestedOutput("logits", binary_data=False)
            found = client.infer("films", [given], outputs=[wanted])
            np.testing.assert_array_equal(found.as_numpy("logits"), expected)
            assert found.as_numpy("scores") is None
            inputs = []
            for name, array in (("input_ids", batch.input_ids), ("offsets", batch.offsets)):
                inputs.append(triton.InferInput(name, list(array.shape), "INT32"))
                inputs[-1].set_data_from_numpy(array)
            found = client.infer("films", inputs, model_version="1")
            np.testing.assert_array_equal(found.as_numpy("logits"), expected)
            with pytest.raises(triton.InferenceServerException, match="no bundle is named other"):
                client.infer("other", inputs)


def test_nothing_of_a_request_is_printed(classifier: Path) -> None:
    with process(f"films={classifier}") as (started, url):
        for route in ("predict", "v2/models/films/infer", "embed"):
            httpx.post(f"{url}/{route}?key=secret", json={"inputs": "secret"})
            httpx.post(f"{url}/{route}", content=b'{"inputs": "secret')
        httpx.post(f"{url}/predict", json={"inputs": "secret " * 100, "truncate": False})
        status, text = end(started)
    assert status == 0
    assert "secret" not in text
    with process(f"films={classifier}", "--access-log") as (started, url):
        httpx.post(f"{url}/predict", json={"inputs": "secret"})
        text = end(started)[1]
    assert '"POST /predict HTTP/1.1" 200' in text
    assert "secret" not in text


def test_it_listens_on_loopback_unless_told(classifier: Path) -> None:
    with process(f"films={classifier}") as (_, url):
        assert url.startswith("http://127.0.0.1:")
        port = int(url.rpartition(":")[2])
        hexadecimal = f"0100007F:{port:04X}"
        assert hexadecimal in Path("/proc/net/tcp").read_text()
        text = what_fails(classifier, "--port", port)
        assert f"cannot listen on 127.0.0.1, port {port}" in text


@pytest.mark.parametrize("way", ["file", "environment"])
def test_the_token_comes_from_a_file_or_the_environment(
    way: str, classifier: Path, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("open sesame\n")
    given = ["--token-file", token] if way == "file" else []
    env = {} if way == "file" else {"LTP_SERVE_TOKEN": "open sesame"}
    with process(f"films={classifier}", *given, env=env) as (started, url):
        body = {"inputs": "dull"}
        assert httpx.post(f"{url}/predict", json=body).status_code == 401
        headers = {"Authorization": "Bearer open sesame"}
        assert httpx.post(f"{url}/predict", json=body, headers=headers).status_code == 200
        arguments = Path(f"/proc/{started.pid}/cmdline").read_bytes()
        assert b"sesame" not in arguments


def test_many_clients_get_their_own_answers(classifier: Path) -> None:
    texts = [" ".join(["the film is", *["very"] * i, "good"]) for i in range(20)]
    with load(classifier) as engine:
        expected = [[float(x) for x in row] for row in engine(texts).logits]
    wrong: list[str] = []
    with process(f"films={classifier}", "--throughput") as (_, url):

        def ask() -> None:
            with httpx.Client(base_url=url, timeout=SECONDS) as client:
                for text, logits in zip(texts, expected, strict=True):
                    body = {"inputs": text, "raw_scores": True}
                    found = client.post("/predict", json=body).json()
                    if sorted(entry["score"] for entry in found) != sorted(logits):
                        wrong.append(text)

        threads = [threading.Thread(target=ask) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        assert wrong == []
