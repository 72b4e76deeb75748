"""The contenders: each a program that indexes MESSAGES from QUEUE and prints what that took."""
