"""What a back end does before a batch job and while it runs: reserve credits, and say what the job has used so far.

The job's report ends the hold by itself. A federation that offers no holds, or cannot be reached, holds up no job.
"""

from __future__ import annotations

from decimal import ROUND_UP, Decimal

from devtools.demonstration.bodies import Body
from devtools.demonstration.reporting import Reporter, ReportingFailed, ReportRefused
from devtools.demonstration.workload import Job

CPU_HOUR, GB_HOUR, SHPU = Decimal("1.6"), Decimal(1), Decimal("0.15")
"""What a back end expects to pay; a little more than most rates."""
MARGIN = Decimal("1.25")
MB_SECONDS_A_GB_HOUR = 3_686_400
EXPIRES_SECONDS = 6 * 3600
PAYMENT_REQUIRED = 402


def may_run(reporter: Reporter, job: Job, sub: str) -> bool:
    """Reserves what a batch job is expected to cost and sends a heartbeat halfway; False when it must not run."""
    if job.kind != "batch":
        return True
    try:
        hold = reporter.post("api/v1/holds", _request(job, sub), key=job.execution_id)
        answer = reporter.post(f"api/v1/holds/{hold['id']}/heartbeat", {"metrics": _half(job)})
    except ReportRefused as refusal:
        reporter.say(f"{reporter.client_id} {job.job_id} reserves nothing: {refusal}")
        return refusal.status != PAYMENT_REQUIRED
    except ReportingFailed as error:
        reporter.say(f"{reporter.client_id} {job.job_id} runs without a hold: {error}")
        return True
    reporter.say(f"{reporter.client_id} {job.job_id} holds {hold['amount']} credits: {answer['decision']}")
    return True


def expected(job: Job) -> Decimal:
    """Credits, to the next hundredth."""
    compute = Decimal(job.cpu_seconds) / 3600 * CPU_HOUR + Decimal(job.mb_seconds) / MB_SECONDS_A_GB_HOUR * GB_HOUR
    cost = compute + Decimal(str(job.processing_units)) * SHPU + Decimal(str(job.base_fee))
    return max((cost * MARGIN).quantize(Decimal("0.01"), ROUND_UP), Decimal("0.01"))


def _request(job: Job, sub: str) -> Body:
    request = {
        "source": job.source,
        "user": sub,
        "job_id": job.job_id,
        "execution_id": job.execution_id,
        "amount": f"{expected(job):f}",
        "expires_in": EXPIRES_SECONDS,
    }
    return request | ({"metadata": {"title": job.title}} if job.title else {})


def _half(job: Job) -> list[Body]:
    """Half of what it will have used in the end."""
    used = [("cpu", job.cpu_seconds // 2, "cpu-seconds"), ("memory", job.mb_seconds // 2, "mb-seconds")]
    if job.processing_units:
        used = [("processing", int(job.processing_units / 2), "shpu")]
    return [{"metric": metric, "quantity": str(quantity), "unit": unit} for metric, quantity, unit in used]
