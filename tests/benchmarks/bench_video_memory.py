"""
How much memory and time one large video takes, into a local folder and into S3 (moto). By hand:

    python tests/benchmarks/bench_video_memory.py [--gigabytes 2] [--s3]

The video is generated while it is served, from another process; so is the S3 server.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.media_server import media_server, sha256
from usertesting_source.videos.store import VideoStore


def serve(size: int, pipe: Connection) -> None:
    with media_server() as server:
        server.sizes["s1"] = size
        pipe.send(server.url("s1"))
        pipe.recv()


def serve_s3(pipe: Connection) -> None:
    import boto3  # type: ignore[import-untyped]  # ships no types
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    endpoint = "http://{}:{}".format(*moto.get_host_and_port())
    boto3.client("s3", endpoint_url=endpoint, **S3_OPTIONS).create_bucket(Bucket="research")
    pipe.send(endpoint)
    pipe.recv()
    moto.stop()


S3_OPTIONS = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}


def started(target: object, *arguments: object) -> tuple[str, Connection]:
    """What the process `target` says first, and the pipe that ends it."""
    ours, theirs = multiprocessing.Pipe()
    multiprocessing.Process(target=target, args=(*arguments, theirs), daemon=True).start()  # type: ignore[arg-type]  # any callable
    return ours.recv(), ours


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(bucket_url: str, size: int) -> None:
    url, media = started(serve, size)
    store = VideoStore(bucket_url)
    store.check()
    before, begun = peak_mb(), time.perf_counter()
    video = store.download("test", "s1", lambda: url)
    seconds = time.perf_counter() - begun
    grown = peak_mb() - before
    where = video.video_storage_path
    print(f"{where}: {size / 2**30:.2f} GB in {seconds:.1f} s, grown by {grown:.1f} MB")
    assert (video.size_bytes, video.sha256) == (size, sha256(size))
    media.send("end")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--gigabytes", type=float, default=2)
    options.add_argument("--s3", action="store_true")
    chosen = options.parse_args()
    size = int(chosen.gigabytes * 2**30)
    if chosen.s3:
        endpoint, moto = started(serve_s3)
        settings = {**S3_OPTIONS, "endpoint_url": endpoint}
        section = "SOURCES__USERTESTING_VIDEOS__CREDENTIALS__"
        os.environ.update({section + key.upper(): value for key, value in settings.items()})
        measure("s3://research/videos", size)
        moto.send("end")
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure(f"file://{folder}", size)


if __name__ == "__main__":
    main()
