"""The contenders: a folder for each measure, and in it a program for each way to do its work.

Each is a process of its own, written as its library's documentation says, and prints what it took.
"""
