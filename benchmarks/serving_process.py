"""The endpoint's function in a process of its own, as Lambda starts one; `benchmarks/serving.py` runs it.

Arguments: the function file, a body, how many requests. Tells by lines of JSON on standard error: first the answer
(the time until it is there is the cold start), then the times of the requests in seconds and what memory it has.
"""

import sys

BEFORE = 200


def main() -> None:
    # Whatever is imported here is part of the cold start that is measured; Lambda's runtime imports these, too.
    import json
    import runpy
    import time
    from types import SimpleNamespace

    handler = runpy.run_path(sys.argv[1])["handler"]
    event = {"version": "2.0", "requestContext": {}, "body": sys.argv[2], "isBase64Encoded": False}
    context = SimpleNamespace(aws_request_id="8f5a2c1e-0d57-4c1b-9a51-0a3c4f0b7e11")
    _say(json.dumps(handler(event, context)))
    processor, times = time.process_time(), []
    number = int(sys.argv[3])
    for _ in range(BEFORE + number if number else 0):
        start = time.perf_counter()
        handler(event, context)
        times.append(time.perf_counter() - start)
    _say(json.dumps({"seconds": times[BEFORE:], "processor": processor}))
    sys.stdin.read()


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
