"""Publish messages of 300 bytes, persistent and confirmed."""
