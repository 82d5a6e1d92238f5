"""The REST service: HTTP in, `Desk` behind it, files and JSON out."""
