"""imgpipe: stream images from URLs into folders and shards, as Unix filters that pass JSON lines."""

__version__ = "0.1.0"
