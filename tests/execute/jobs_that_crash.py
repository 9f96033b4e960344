"""Code whose import ends the process."""

import os

print("about to crash", flush=True)
os._exit(1)
