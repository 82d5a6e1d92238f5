"""The REST service: HTTP in, `JobQueue` behind it, files and JSON out."""
