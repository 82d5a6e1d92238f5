"""The sandbox: uploads are checked by their first bytes, and opened by hardened worker processes alone."""
