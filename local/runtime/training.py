"""The child side of a training job: runs a module of its layers as the program of a container would be run.

Run by `local.extensions.sagemaker.hosts` as `python -P training.py`; uses nothing but the standard library. The
first line of standard input is JSON: the module, its arguments, the folders it may import from, and those it may
not (the checkout is on the server's path; a job must get the library from its layer). Standard input stays open
as long as the server lives: when it ends, so does the job, with every process it has started.
"""

import json
import os
import runpy
import signal
import sys
import threading


def watch() -> None:
    """End with the server. Reads the descriptor: while a thread holds `sys.stdin`, the interpreter cannot end."""
    while os.read(0, 1024):
        pass
    os.killpg(os.getpgid(0), signal.SIGKILL)


def main() -> None:
    start = json.loads(sys.stdin.readline())
    hidden = set(start["hidden"])
    sys.path[:] = start["folders"] + [path for path in sys.path if path not in hidden]
    sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in repr(finder)]
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    threading.Thread(target=watch, daemon=True).start()
    sys.argv = [start["module"], *start["arguments"]]
    runpy.run_module(start["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
