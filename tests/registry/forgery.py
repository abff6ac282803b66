"""What someone can do who may write everything in the artifacts folder: the digests then agree again."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress

from ml_sys.errors import MlsysError
from ml_sys.registry.store import Registry


def forge(registry: Registry, version: str = "", name: str = "", content: bytes = b"") -> None:
    """Put other bytes into a version, and make manifest, audit trail and index anew to match."""
    if name:
        folder = registry.folder(version)
        (folder / name).write_bytes(content)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"][name] = hashlib.sha256(content).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(manifest))
    for state in ("registry.json", "audit.jsonl"):
        (registry.root / state).unlink(missing_ok=True)
    for one in registry.strangers():
        with suppress(MlsysError):
            registry.accept_version(one, "forged")
