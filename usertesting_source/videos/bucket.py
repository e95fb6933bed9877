"""
The place where videos are kept: any file system that fsspec knows, opened with dlt's configuration.

A file gets its final name only when it is whole: it is written as `.<session id>.<random>.part` beside its
place and then moved. On S3 a move is a copy inside the bucket and a deletion, so the credentials need to
list, read, write and delete. What a killed process leaves: a `.part` file, removed when that session is
downloaded again; and on object stores an unfinished multipart upload, for a lifecycle rule of the bucket.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from textwrap import shorten
from typing import IO

from dlt.common.configuration import resolve_configuration
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.exceptions import MissingDependencyException
from dlt.common.storages.configuration import FilesystemConfiguration
from dlt.common.storages.fsspec_filesystem import (
    AZURE_BLOB_STORAGE_PROTOCOLS,
    GCS_PROTOCOLS,
    S3_PROTOCOLS,
    fsspec_from_config,
)
from fsspec import AbstractFileSystem  # type: ignore[import-untyped]  # fsspec ships no types
from fsspec.spec import AbstractBufferedFile  # type: ignore[import-untyped]  # as above

from ..errors import ConfigurationError

# Not below sources.usertesting: dlt looks in the outer sections too, and would offer the API's client id and
# secret to the cloud. Here are also `kwargs`, `client_kwargs` and `config_kwargs` for the file system.
CONFIG_SECTIONS = ("sources", "usertesting_videos")

# The smallest part that S3 takes; it allows 10,000 of them, so 48 GiB a file. fsspec would hold 50 MiB.
_BLOCK = 5 * 2**20
_OBJECT_STORES = {*S3_PROTOCOLS, *GCS_PROTOCOLS, *AZURE_BLOB_STORAGE_PROTOCOLS}


class StoreError(Exception):
    """The file system refuses; the text says what, and holds no secret."""


class Bucket:
    """
    Files under one bucket URL. Paths are relative to it and use `/`.

    Args:
        bucket_url: an fsspec URL (`s3://...`, `gs://...`, `az://...`, `file://...`) or a local folder.
        filesystem: used instead of one that is opened by dlt's configuration.

    """

    def __init__(self, bucket_url: str, filesystem: AbstractFileSystem | None = None) -> None:
        self._fs, root = _opened(bucket_url) if filesystem is None else (filesystem, bucket_url)
        self._root = str(self._fs._strip_protocol(root)).rstrip("/")
        protocols = self._fs.protocol
        names = {protocols} if isinstance(protocols, str) else set(protocols)
        # Object stores have no folders, and s3fs would create a missing (mistyped) bucket.
        self._has_folders = not names & _OBJECT_STORES

    def url(self, path: str = "") -> str:
        """The full address of a file, without credentials: `s3://bucket/<test id>/<session id>.mp4`."""
        return str(self._fs.unstrip_protocol(f"{self._root}/{path}".rstrip("/")))

    def check(self) -> None:
        """Write, move, measure and remove a small file, as every download will. Raises ConfigurationError."""
        name = f"usertesting-check-{secrets.token_hex(8)}.tmp"
        try:
            self.write("", name, [b"check"])
            self._fs.rm_file(f"{self._root}/{name}")
        except Exception as error:
            raise ConfigurationError(
                f"video_bucket_url: {self.url()} cannot be used ({_said(error)}). Create the bucket, and "
                "give credentials that may list, read, write and delete there: in the configuration section "
                f"{'.'.join(CONFIG_SECTIONS)}.credentials, or as the cloud's own tools find them"
            ) from error

    def size(self, path: str) -> int | None:
        """The size in bytes of a file; None when there is none."""
        full = f"{self._root}/{path}"
        self._fs.invalidate_cache(self._fs._parent(full))
        try:
            return int(self._fs.info(full)["size"])
        except FileNotFoundError:
            return None

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is removed already."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._root}/{path}")

    def digest(self, path: str, on_block: Callable[[], None] = lambda: None) -> str:
        """The SHA-256 of a file as it is stored, read in blocks; `on_block` may raise to stop it."""
        digest = hashlib.sha256()
        with self._fs.open(f"{self._root}/{path}", "rb", block_size=_BLOCK) as file:
            while block := file.read(2**20):
                on_block()
                digest.update(block)
        return digest.hexdigest()

    def write(self, folder: str, name: str, chunks: Iterable[bytes]) -> tuple[int, str]:
        """
        Store `chunks` as `folder/name`, which exists afterwards whole or not at all; return size and SHA-256.

        What `chunks` raises comes through.
        """
        place = f"{self._root}/{folder}".rstrip("/")
        if self._has_folders:
            self._fs.makedirs(place, exist_ok=True)
        part = f"{place}/.{_stem(name)}.{secrets.token_hex(8)}.part"
        try:
            size, digest = self._write_part(part, chunks)
            self._move(part, f"{place}/{name}")
        except BaseException:
            self._remove(part)
            raise
        stored = self.size(f"{folder}/{name}".lstrip("/"))
        if stored != size:
            self._remove(f"{place}/{name}")
            raise StoreError(f"{size} bytes were written, but {stored} are there")
        return size, digest

    def remove_parts(self, folder: str, name: str) -> None:
        """Remove what earlier downloads of `folder/name` left when their process was killed."""
        prefix = f".{_stem(name)}."
        options = {"maxdepth": 1} if self._has_folders else {"prefix": prefix}
        for path in self._fs.find(f"{self._root}/{folder}", **options):
            if path.rpartition("/")[2].startswith(prefix) and path.endswith(".part"):
                self._remove(path)

    def _write_part(self, part: str, chunks: Iterable[bytes]) -> tuple[int, str]:
        size, digest = 0, hashlib.sha256()
        file = self._fs.open(part, "wb", block_size=_BLOCK)
        try:
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            file.close()
        except BaseException:
            _throw_away(file)
            raise
        return size, digest.hexdigest()

    def _move(self, source: str, target: str) -> None:
        if self._has_folders:
            self._fs.mv(source, target)
        else:  # what fsspec's mv does on object stores, without its search for patterns and folders
            self._fs.cp_file(source, target)
            self._fs.rm_file(source)

    def _remove(self, full_path: str) -> None:
        # Best effort: the reason for removing it matters more to the caller.
        with suppress(Exception):
            self._fs.rm_file(full_path)


def _opened(bucket_url: str) -> tuple[AbstractFileSystem, str]:
    config = FilesystemConfiguration(bucket_url=bucket_url)
    explicit = {"bucket_url": bucket_url}
    try:
        return fsspec_from_config(resolve_configuration(config, sections=CONFIG_SECTIONS, explicit_value=explicit))
    except (MissingDependencyException, ConfigurationException, ImportError, ValueError) as error:
        raise ConfigurationError(
            f"video_bucket_url: {config} cannot be opened ({_said(error)}). Use file://, s3://, gs:// or "
            "az://; install the extra s3, gcs or azure of usertesting-source; and give credentials in the "
            f"configuration section {'.'.join(CONFIG_SECTIONS)}.credentials"
        ) from error


def _throw_away(file: IO[bytes]) -> None:
    """End a write without its result: a plain close would upload what is there so far."""
    with suppress(Exception):
        if isinstance(file, AbstractBufferedFile):
            file.closed = True
            file.discard()
        else:
            file.close()


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _said(error: Exception) -> str:
    return shorten(f"{type(error).__name__}: {error}", 300, placeholder=" ...")
