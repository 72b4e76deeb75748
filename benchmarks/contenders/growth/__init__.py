"""ackflow alone, with one thing growing."""
