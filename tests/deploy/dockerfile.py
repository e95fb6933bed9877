"""
The steps of deploy/docker/Dockerfile on a machine without Docker, by hand and as root:

    python tests/deploy/dockerfile.py /usr/local    # a Python, in the place of the base image's

An overlay over this machine's root stands for the image; the container runs in it as its user, with a root that is
read-only but for /data and /tmp, against the sample API, and is stopped as `docker stop` does.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from tests.support.lab import ROOT, environment
from usertesting_source.sample_api import SampleApi, simple_study

DEPLOY = ROOT / "usertesting_source" / "deploy" / "docker"
CHROOT = shutil.which("chroot") or "/usr/sbin/chroot"
SETTINGS = '[runtime]\ndlthub_telemetry = false\n[sources.usertesting]\ntest_ids = ["{}"]\n'


class Image:
    """What the steps make, and how a container of it is started."""

    def __init__(self, root: Path, context: Path, python: str) -> None:
        self.root, self.context = root, context
        self.variables = {"PATH": "/opt/python/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        self.variables["LD_LIBRARY_PATH"] = "/opt/python/lib"  # some builds of Python have a library of their own
        self.user, self.folder = "root", "/"
        self.words: dict[str, Any] = {}
        shutil.copytree(python, root / "opt/python", symlinks=True)
        for pip in (root / "opt/python/bin").glob("pip*"):
            _, _, rest = pip.read_text().partition("\n")
            pip.write_text(f"#!/opt/python/bin/python3\n{rest}")

    def step(self, word: str, rest: str) -> None:
        """One instruction."""
        print(f"== {word} {rest}", flush=True)
        if word == "RUN":
            self.run(["/bin/sh", "-c", rest])
        elif word == "COPY":
            owner, *names = rest.split() if rest.startswith("--") else ("", *rest.split())
            for source in self.context.glob(names[0]):
                target = Path(f"{self.root}{names[1]}")
                target = target / source.name if names[1].endswith("/") else target
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
                if owner:
                    self.run(["chown", owner.partition("=")[2], f"/{target.relative_to(self.root)}"], user="root")
        elif word in ("ARG", "ENV"):
            self.variables |= dict(pair.split("=", 1) for pair in rest.split())
        elif word == "USER":
            self.user = rest
        elif word == "WORKDIR":
            self.folder = rest
        elif word in ("ENTRYPOINT", "CMD"):
            self.words[word] = yaml.safe_load(rest)

    def command(self, command: list[str], user: str | None = None) -> list[str]:
        """The command, in the image."""
        inside = f"--userspec={user or self.user}"
        return [CHROOT, inside, str(self.root), "sh", "-c", f'cd {self.folder} && exec "$@"', "sh", *command]

    def run(self, command: list[str], user: str | None = None) -> None:
        """Runs it while the image is built."""
        subprocess.run(self.command(command, user), env=self.variables, check=True, timeout=600)


def main(python: str) -> None:
    """Builds, runs, stops. Nothing is deleted here: the mounts end with their namespace, and all lies in them."""
    home = Path(tempfile.mkdtemp(prefix="dockerfile-"))
    mount("-t", "tmpfs", "home", home)
    context, upper, work, root = (home / name for name in ("context", "upper", "work", "image"))
    for folder in (context / ".dlt", upper, work, root):
        folder.mkdir(parents=True)
    study = simple_study(n=20)
    (context / ".dlt/config.toml").write_text(SETTINGS.format(study.test_id))
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", context, ROOT], check=True)
    mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", root)
    mount("-t", "tmpfs", "dev", root / "dev")
    for minor, name in ((3, "null"), (5, "zero"), (9, "urandom")):
        os.mknod(root / "dev" / name, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        (root / "dev" / name).chmod(0o666)
    mount("-t", "proc", "-o", "ro", "proc", root / "proc")
    image = Image(root, context, python)
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if line.strip() and word not in ("#", "FROM", "VOLUME", "HEALTHCHECK", "STOPSIGNAL"):
            image.step(word, rest)
    with SampleApi([study], rate_limit=None) as api:
        container(image, api)


def mount(*arguments: str | Path) -> None:
    """Mounts, in this process's own namespace."""
    subprocess.run(["mount", *arguments], check=True)


def container(image: Image, api: SampleApi) -> None:
    """A poll, and a stop."""
    for folder in ("data", "tmp"):
        mount("-t", "tmpfs", folder, image.root / folder)
    (image.root / "tmp").chmod(0o1777)
    image.run(["chown", "usertesting", "/data"], user="root")
    mount("-o", "remount,ro", image.root)
    settings = environment(api, TEST_IDS=None)
    variables = {**image.variables, **{key: value for key, value in settings.items() if value is not None}}
    variables["HOME"] = "/home/usertesting"
    command = image.command(
        ["/bin/sh", "-c", 'id; touch /nowhere; exec "$@"', "sh", *image.words["ENTRYPOINT"], *image.words["CMD"]]
    )
    process = subprocess.Popen(command, env=variables)
    deadline = time.monotonic() + 120
    while not (image.root / "data/alive").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    code = process.wait(60)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    data = sorted(path.name for path in (image.root / "data").iterdir())
    print(f"exit code {code}; details asked for: {api.count('details')}; in /data: {data}")
    print(f"largest process of build and run: {memory} MB")
    if code or api.count("details") != 20:
        sys.exit("The container did not load, or did not end well.")


if __name__ == "__main__":
    if "--inside" not in sys.argv:  # of a namespace of its own, with which all that is mounted ends
        os.execvp("unshare", ["unshare", "--mount", sys.executable, __file__, sys.argv[1], "--inside"])  # noqa: S606
    main(sys.argv[1])
