"""The service: it starts, works for a moment, and crashes because its configuration names no database."""
import json
import pathlib
import sys

print("service: starting", flush=True)
config = json.loads(pathlib.Path("config.json").read_text())
print("service: listening on 127.0.0.1:8080", flush=True)
if "database" not in config:
    print("service: FATAL: KeyError: 'database' in config.json", file=sys.stderr, flush=True)
    sys.exit(70)
