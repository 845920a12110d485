"""The stage that places images in folders or shards, with their metadata."""

from __future__ import annotations

from imgpipe.shard.options import ShardOptions
from imgpipe.shard.run import run

__all__ = ["ShardOptions", "run"]
