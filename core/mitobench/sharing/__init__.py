"""Runs as files for others: written without names and paths, read without trust."""
