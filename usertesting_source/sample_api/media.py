"""Videos behind pre-signed URLs, as an object store serves them."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlencode, urlsplit

from .faults import Faults
from .replies import Refused, Reply
from .state import Settings
from .wire import Headers

PREFIX = "/media/"
BLOCK = 65_536
DROP = 1_024
_STAMP = "%Y%m%dT%H%M%SZ"
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass
class Media:
    """
    Signs URLs and serves what they point to: bytes that depend on the seed and the path alone.

    Args:
        now: the server's clock.
        secret: what signatures are made with.

    """

    now: Callable[[], datetime]
    settings: Settings
    faults: Faults
    seed: int
    secret: bytes
    base_url: str = ""
    blocks: dict[str, bytes] = field(default_factory=dict)

    def sign(self, key: str, lifetime: int) -> tuple[str, datetime]:
        """A URL for `key` that works for `lifetime` seconds, and the moment when it stops to."""
        signed = self.now().astimezone(timezone.utc)
        signed -= timedelta(seconds=lifetime + 1) if self.faults.media_expired else timedelta(0)
        stamp = signed.strftime(_STAMP)
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"AKIASAMPLEEXAMPLE000/{stamp[:8]}/us-east-1/s3/aws4_request",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(lifetime),
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": self._signature(key, stamp, str(lifetime)),
        }
        expires = _moment(stamp) + timedelta(seconds=lifetime)
        return f"{self.base_url}{PREFIX}{key}?{urlencode(query)}", expires

    def answer(self, target: str, headers: Headers) -> Reply:
        """The bytes that a signed URL points to, or a refusal in XML."""
        url = urlsplit(target)
        key = url.path.removeprefix(PREFIX)
        self._check({name: values[-1] for name, values in parse_qs(url.query).items()}, key, headers)
        if self.faults.use("media_down"):
            raise Refused(_xml(503, "SlowDown", "Please reduce your request rate."))
        reply = self._bytes(key, headers.get("Range"))
        if self.faults.use("media_cut"):
            reply.body = self._served(key, 0, (reply.length or 0) // 2)
        return reply

    def content(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes of `key` from `start` up to `end`, block by block: no size is ever held in memory."""
        while start < end:
            number, skip = divmod(start, BLOCK)
            part = self._block(key, number)[skip : skip + end - start]
            yield part
            start += len(part)

    def checksum(self, key: str, size: int | None = None) -> str:
        """The SHA-256 of `key` as it is served, in hexadecimal digits."""
        digest = hashlib.sha256()
        for part in self.content(key, 0, self.settings.video_bytes if size is None else size):
            digest.update(part)
        return digest.hexdigest()

    def _served(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """`content`, in drops while `media_rate` says so."""
        item = key.split("/")[1]
        for part in self.content(key, start, end):
            for place in range(0, len(part), DROP):
                if rate := self.faults.media_rate.get(item):
                    time.sleep(DROP / rate)
                yield part[place : place + DROP]

    def _check(self, query: Mapping[str, str], key: str, headers: Headers) -> None:
        if headers.get("Authorization"):
            message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter"
            raise Refused(_xml(400, "InvalidArgument", message))
        stamp, lifetime = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
        expected = self._signature(key, stamp, lifetime)
        if not hmac.compare_digest(expected, query.get("X-Amz-Signature", "")):
            raise Refused(_xml(403, "SignatureDoesNotMatch", "The request signature does not match."))
        if self.now() >= _moment(stamp) + timedelta(seconds=int(lifetime)):
            raise Refused(_xml(403, "AccessDenied", "Request has expired"))

    def _bytes(self, key: str, wanted: str | None) -> Reply:
        size = self.settings.video_bytes
        etag = hashlib.blake2b(f"{self.seed}/{key}/{size}".encode(), digest_size=16).hexdigest()
        headers = {"ETag": f'"{etag}-1"', "Accept-Ranges": "bytes"}
        part = _RANGE.fullmatch(wanted or "")
        if part is None:
            return Reply(200, self._served(key, 0, size), "video/mp4", headers, size)
        start, last = int(part[1]), min(int(part[2] or size - 1), size - 1)
        if start >= size or last < start:
            raise Refused(_xml(416, "InvalidRange", "The requested range is not satisfiable"))
        headers["Content-Range"] = f"bytes {start}-{last}/{size}"
        return Reply(206, self._served(key, start, last + 1), "video/mp4", headers, last + 1 - start)

    def _block(self, key: str, number: int) -> bytes:
        """Blocks of a video differ in their first bytes only: enough to notice one that is missing."""
        head = b"\0\0\0\x18ftypmp42" if number == 0 else number.to_bytes(12, "big")
        return head + self._filling(key)

    def _filling(self, key: str) -> bytes:
        filling = self.blocks.get(key)
        if filling is None:
            filling = hashlib.shake_128(f"{self.seed}/{key}".encode()).digest(BLOCK - 12)
            self.blocks = {key: filling}  # several threads serve
        return filling

    def _signature(self, key: str, stamp: str, lifetime: str) -> str:
        return hmac.new(self.secret, f"{key}\n{stamp}\n{lifetime}".encode(), hashlib.sha256).hexdigest()


def _moment(stamp: str) -> datetime:
    return datetime.strptime(stamp, _STAMP).replace(tzinfo=timezone.utc)


def _xml(status: int, code: str, message: str) -> Reply:
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{error}'
    return Reply(status, body.encode(), "application/xml")
