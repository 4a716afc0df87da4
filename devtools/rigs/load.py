"""HTTP load from wrk, which leaves the cores to what is measured, and what it found."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from devtools.processes import ProcessError
from devtools.rigs.stage import SOURCE

# Each request is a new report as the GeoPySpark driver sends it; with FIXED every one of them is the first again.
SCRIPT = """
local count, thread_count = 0, 0
function setup(thread) thread:set("thread", thread_count); thread_count = thread_count + 1 end
function init(arguments) prefix = arguments[1] .. "-" .. thread .. "-"; math.randomseed(os.time() + thread) end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %(token)s"
local form = '{"jobId": "j-%%s", "jobName": "a test", "executionId": "application_%%s", "userId": "u%%d", ' ..
  '"sourceId": "%(source)s", "orchestrator": "openeo", "jobStart": %(start)d.0, "jobFinish": %(finish)d.0, ' ..
  '"idempotencyKey": "application_%%s", "state": "FINISHED", "status": "UNDEFINED", "metrics": {' ..
  '"cpu": {"value": %%d, "unit": "cpu-seconds"}, "memory": {"value": 6784, "unit": "mb-seconds"}, ' ..
  '"time": {"value": 53000, "unit": "milliseconds"}}}'
function request()
  count = %(count)s
  local key = prefix .. count
  return wrk.format(nil, nil, nil, string.format(form, key, key, %(user)s, key, 4000))
end
"""


# The same for any body of ours, with a key of its own: "@key" and "@user" in it are replaced.
JSON_SCRIPT = """
local count, thread_count = 0, 0
function setup(thread) thread:set("thread", thread_count); thread_count = thread_count + 1 end
function init(arguments) prefix = arguments[1] .. "-" .. thread .. "-" end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %(token)s"
function request()
  count = count + 1
  local key = prefix .. count
  wrk.headers["Idempotency-Key"] = key
  local body = string.gsub([[%(body)s]], "@key", key)
  body = string.gsub(body, "@user", "u" .. (count * 7919 %% %(people)d))
  return wrk.format(nil, nil, nil, body)
end
"""


@dataclass(frozen=True)
class Load:
    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int

    def __str__(self) -> str:
        return f"{self.per_second:,.0f}/s, p50 {self.p50_ms:.1f} ms, p99 {self.p99_ms:.1f} ms"


def post(
    url: str, token: str, run: str, *, seconds: int, connections: int, people: int = 1, replay: bool = False
) -> Load:
    """Posts reports for so long; `run` keeps the keys of one run apart from another's.

    :raises ProcessError: wrk is missing, or an answer was not 2xx.
    """
    now = int(time.time() * 1000)
    names = {"token": token, "source": SOURCE, "start": now - 113_000, "finish": now - 60_000}
    # A user that follows from the count, so that a repetition names the same one.
    text = SCRIPT % {**names, "count": "count % 500" if replay else "count + 1", "user": f"count % {people}"}
    if replay:
        text = text.replace("count = count % 500", "count = (count + 1) % 500")
    return _run(text, url, run, seconds, connections)


def post_json(url: str, token: str, run: str, body: str, *, seconds: int, connections: int, people: int) -> Load:
    """Posts the body for so long, each time for another of so many users and with another key.

    :raises ProcessError: wrk is missing.
    """
    text = JSON_SCRIPT % {"token": token, "body": body, "people": people}
    return _run(text, url, run, seconds, connections)


def _run(text: str, url: str, run: str, seconds: int, connections: int) -> Load:
    if shutil.which("wrk") is None:
        raise ProcessError("wrk is missing: apt-get install wrk")
    script = Path(f"/dev/shm/openeo-credits-{time.time_ns()}.lua")  # noqa: S108  # holds a token: memory, and gone at once
    script.touch(mode=0o600)
    try:
        script.write_text(text)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script, url, "--", run]
        said = subprocess.run([str(word) for word in command], text=True, capture_output=True, check=False).stdout
    finally:
        script.unlink()
    return _read(said)


def _read(said: str) -> Load:
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if rate is None:
        raise ProcessError(f"wrk said:\n{said}")
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    failed = int(bad[1]) if bad else 0
    failed += sum(map(int, broken.groups())) if broken else 0
    return Load(float(rate[1]), _milliseconds(said, 50), _milliseconds(said, 99), failed)


def _milliseconds(said: str, percentile: int) -> float:
    found = re.search(rf"{percentile}%\s+([\d.]+)(us|ms|s|m)\b", said)
    if found is None:
        return float("nan")
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[found[2]]
