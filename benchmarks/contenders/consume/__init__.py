"""Take and ack messages of 300 bytes, prefetch 512."""
