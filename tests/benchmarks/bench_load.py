"""
Seconds for many sessions with the quota off, split in extract, normalise and load, next to plain `requests`.

    python tests/benchmarks/bench_load.py [sessions] [chunk]

The sample API runs in a process of its own, so that it does not share the interpreter with what is measured.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from datetime import datetime, timezone
from multiprocessing.connection import Connection
from pathlib import Path

import dlt
import requests

from usertesting_source import load, usertesting_source
from usertesting_source.config import UserTestingCredentials
from usertesting_source.sample_api import SampleApi, simple_study


def serve(pipe: Connection, sessions: int) -> None:
    study = simple_study(n=sessions, product_type="THINK_OUT_LOUD", newest=datetime.now(timezone.utc))
    with SampleApi([study], rate_limit=None) as api:
        pipe.send((api.base_url, api.token_url, api.client_id, api.client_secret, api.test_ids[0], api.access_token()))
        pipe.recv()
        pipe.send(api.count())


def fetch_plainly(base_url: str, test_id: str, token: str) -> float:
    """The same documents, one after the other, over one connection."""
    began = time.perf_counter()
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        ids: list[str] = []
        while True:
            params: dict[str, str | int] = {"testId": test_id, "limit": 500, "offset": len(ids)}
            page = session.get(f"{base_url}/api/v2/sessionResults", params=params, timeout=60).json()["sessions"]
            ids += [row["sessionId"] for row in page]
            if len(page) < 500:
                break
        for session_id in ids:
            session.get(f"{base_url}/api/v3/sessionResults/{session_id}", timeout=60).json()
            session.get(f"{base_url}/api/v2/sessionResults/{session_id}/transcript", timeout=60).content.decode()
    return time.perf_counter() - began


def timed(pipeline: dlt.Pipeline) -> dict[str, float]:
    """Seconds in each step of `pipeline`, summed over packages."""
    seconds: dict[str, float] = dict.fromkeys(("extract", "normalize", "load"), 0.0)

    def wrap(name: str) -> None:
        step = getattr(pipeline, name)

        def run(*args: object, **kwargs: object) -> object:
            began = time.perf_counter()
            try:
                return step(*args, **kwargs)
            finally:
                seconds[name] += time.perf_counter() - began

        setattr(pipeline, name, run)

    for name in ("extract", "normalize", "load"):
        wrap(name)
    return seconds


def main(sessions: int = 2000, chunk: int = 2000) -> None:
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(there, sessions))
    server.start()
    base_url, token_url, client_id, secret, test_id, token = here.recv()
    print(f"plain requests: {fetch_plainly(base_url, test_id, token):.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        database = dlt.destinations.duckdb(str(Path(folder) / "bench.duckdb"))
        pipeline = dlt.pipeline("bench", destination=database, dataset_name="usertesting", pipelines_dir=folder)
        seconds = timed(pipeline)
        source = usertesting_source(
            credentials=UserTestingCredentials(client_id=client_id, client_secret=secret),
            test_ids=[test_id],
            base_url=base_url,
            token_url=token_url,
            rate_limit=0,
        )
        began = time.perf_counter()
        summary = load(pipeline, source, chunk)
        print(f"load: {time.perf_counter() - began:.2f} s, {summary.requests} requests, {summary.packages} packages")
        print(", ".join(f"{name} {value:.2f} s" for name, value in seconds.items()))
        began = time.perf_counter()
        again = load(pipeline, source, chunk)
        print(f"again, no news: {time.perf_counter() - began:.2f} s, {again.requests} requests")
    here.send("stop")
    here.recv()
    server.join()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
