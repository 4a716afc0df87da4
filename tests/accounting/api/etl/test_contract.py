"""Every body that existing clients send, and what they find in the answer."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from accounting import organisations, queries
from accounting.models import Execution, Job, OutboxEvent, Person, UsageReport
from tests.accounting.api.etl.wire import (
    COST,
    KEY,
    METRICS,
    SENTINEL_HUB,
    UDP,
    Caller,
    added_value,
    billed,
    resources,
    sentinel_hub,
)
from tests.conftest import ISSUER, SOURCE, Federation


def test_literal_batch_body(backend: Caller) -> None:
    answer = backend.resources(resources(status="SUCCEEDED", orgId=1234))
    assert answer.status_code == 201
    assert answer["Content-Type"] == "application/json"
    lines = answer.json()
    assert [(line["type"], line["value"], line["unit"], line["cost"]) for line in lines] == [
        ("cpu", 53, "cpu-seconds", 0.022083),
        ("memory", 6784, "mb-seconds", 0.00184),
        ("time", 53000, "milliseconds", 0),
        ("processing", 4, "shpu", 0.6),
    ]
    for line in lines:
        assert (line["jobId"], line["executionId"], line["userId"]) == ("j-abc123", KEY, "alice@egi.eu")
        assert (line["sourceId"], line["orchestrator"], line["state"]) == (SOURCE, "openeo", "FINISHED")
        assert line["status"] == "billed"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["date"])


def test_costs_are_json_numbers(backend: Caller) -> None:
    text = backend.resources(resources()).content.decode()
    assert '"cost":0.022083' in text
    assert '"cost":0,' in text
    assert all(type(line["cost"]) in {int, float} for line in json.loads(text))


def test_sum_is_what_is_charged(backend: Caller, federation: Federation) -> None:
    assert billed(backend.resources(resources())) == pytest.approx(COST, abs=1e-9)
    assert queries.balance(federation.alice.current_organisation).posted == -623_923


def test_documented_example(backend: Caller) -> None:
    metrics = {
        "cpu": {"value": 5099, "unit": "cpu-seconds"},
        "memory": {"value": 13400773, "unit": "mb-seconds"},
    }
    answer = backend.resources(resources(metrics=metrics))
    assert [line["cost"] for line in answer.json()] == [2.124583, 3.635192]
    assert round(billed(answer), 2) == 5.76


def test_two_posts_of_one_job(backend: Caller, federation: Federation) -> None:
    """A base fee in credits under the execution's key, then the metrics under `<key>_1`."""
    fee = {"processing": {"value": 2, "unit": "credits"}}
    first = backend.resources(resources(metrics=fee))
    second = backend.resources(resources(metrics=METRICS, idempotencyKey=f"{KEY}_1"))
    assert billed(first) == 2
    assert billed(second) == pytest.approx(COST)
    assert queries.balance(federation.alice.current_organisation).posted == -2_623_923
    assert Job.objects.get().cost_compute == 2_623_923


def test_sentinel_hub_body(backend: Caller) -> None:
    answer = backend.resources(sentinel_hub())
    assert [(line["value"], line["unit"], line["cost"]) for line in answer.json()] == [(0.33, "shpu", 0.0495)]
    assert "executionId" not in answer.json()[0]


def test_without_a_key_every_report_is_charged(backend: Caller, federation: Federation) -> None:
    """The same job id comes again when its user starts it again."""
    for _ in range(3):
        assert billed(backend.resources(sentinel_hub())) == 0.0495
    assert UsageReport.objects.count() == 3
    assert queries.balance(federation.alice.current_organisation).posted == -3 * 49_500
    assert Job.objects.get().cost_compute == 3 * 49_500


def test_sentinel_hub_synchronous_request(backend: Caller) -> None:
    body = sentinel_hub(jobId="alice@egi.eu_2024-08-20T10:00:00+00:00")
    assert billed(backend.resources(body)) == 0.0495
    assert Job.objects.get().kind == "sync"


def test_synchronous_request(backend: Caller) -> None:
    """Job, execution and key are the request id; no times, a made-up title."""
    body = resources(
        jobId="r-abc123",
        executionId="r-abc123",
        idempotencyKey="r-abc123",
        jobName="Synchronous processing request 'r-abc123'",
        jobStart=None,
        jobFinish=None,
        metrics={"cpu": {"value": 5400, "unit": "cpu-seconds"}, "memory": {"value": 11059200, "unit": "mb-seconds"}},
    )
    assert billed(backend.resources(body)) == 2.25 + 3
    job = Job.objects.get()
    assert (job.kind, job.started_at, job.finished_at) == ("sync", None, None)


def test_float_times(backend: Caller) -> None:
    backend.resources(resources(jobStart=1704961751000.0, jobFinish=1704961804000.5))
    job = Job.objects.get()
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.started_at.isoformat() == "2024-01-11T08:29:11+00:00"
    assert job.finished_at.isoformat() == "2024-01-11T08:30:04.000500+00:00"


@pytest.mark.parametrize("value", ["53", "53.0", 53.0, 53, "5.3e1", "5.3E+01", "530e-1"])
def test_values_as_texts_and_numbers(backend: Caller, value: object) -> None:
    body = resources(metrics={"cpu": {"value": value, "unit": "cpu-seconds"}})
    answer = backend.resources(body)
    assert [(line["value"], line["cost"]) for line in answer.json()] == [(53, 0.022083)]


@pytest.mark.parametrize("metrics", [{}, {"cpu": None}, {"cpu": None, "time": None}])
def test_nothing_measured(backend: Caller, metrics: object) -> None:
    answer = backend.resources(resources(metrics=metrics))
    assert (answer.status_code, answer.content) == (201, b"[]")
    assert UsageReport.objects.get().amount == 0


@pytest.mark.parametrize("name", list(METRICS))
def test_any_subset_of_metrics(backend: Caller, name: str) -> None:
    answer = backend.resources(resources(metrics={name: METRICS[name]}))
    assert [line["type"] for line in answer.json()] == [name]


def test_processing_in_credits(backend: Caller) -> None:
    body = resources(metrics={"processing": {"value": 1.23, "unit": "credits"}})
    assert [line["cost"] for line in backend.resources(body).json()] == [1.23]


def test_unknown_metric_costs_nothing(backend: Caller) -> None:
    body = resources(metrics={"network_received": {"value": 1048576, "unit": "b"}, "surcharge": METRICS["processing"]})
    assert [line["cost"] for line in backend.resources(body).json()] == [0, 0]


@pytest.mark.parametrize(
    "name", ["jobName", "executionId", "jobStart", "jobFinish", "idempotencyKey", "state", "status", "orchestrator"]
)
def test_what_may_be_missing_or_null(backend: Caller, name: str) -> None:
    for value in (None, ...):
        assert billed(backend.resources(resources(**{name: value}))) == pytest.approx(COST)
        assert billed(backend.added_value(added_value(**{name: value}))) == 0


def test_smallest_body(backend: Caller) -> None:
    assert backend.resources({"jobId": "j", "userId": "u", "sourceId": SOURCE, "metrics": {}}).content == b"[]"


def test_unknown_fields_are_ignored(backend: Caller) -> None:
    body = resources(somethingNew={"deep": [1, 2]}, area=7, service=9, balance=1_000_000, id=3)
    assert billed(backend.resources(body)) == pytest.approx(COST)


@pytest.mark.parametrize("path", ["//resources", "///resources"])
def test_base_address_that_ends_in_a_slash(backend: Caller, path: str) -> None:
    data = json.dumps(resources()).encode()
    # The test client would take what follows two slashes for a host, so the path is given apart.
    answer = backend.client.generic("POST", "/", data, "application/json", headers=backend.headers, PATH_INFO=path)
    assert billed(answer) == pytest.approx(COST)


@pytest.mark.parametrize("path", ["/resources/", "/addedvalue/"])
def test_no_redirects(backend: Caller, path: str) -> None:
    answer = backend.post(path, resources())
    assert answer.status_code == 404
    assert answer.json()["statusCode"] == 404


@pytest.mark.parametrize("service", ["load_stac", "ndvi", "apply", "sar_backscatter", "my/odd:process", "過程"])
def test_unknown_service_costs_nothing(backend: Caller, service: str) -> None:
    answer = backend.added_value(added_value(service=service, idempotencyKey=f"{KEY}_{service}"))
    assert [(line["cost"], line["service"], line["type"]) for line in answer.json()] == [(0, service, "area")]


def test_known_service_is_charged_for_its_area(backend: Caller, federation: Federation) -> None:
    body = added_value(service=UDP, sourceId=SENTINEL_HUB, area={"value": 2_500_000.0, "unit": "square_meter"})
    answer = backend.added_value(body)
    assert [(line["value"], line["unit"], line["cost"]) for line in answer.json()] == [(2500000, "square_meter", 5)]
    assert queries.balance(federation.alice.current_organisation).posted == -5_000_000
    assert Job.objects.get().cost_added_value == 5_000_000


@pytest.mark.parametrize(("state", "cost"), [("FINISHED", 1.5), ("FAILED", 0.75), ("KILLED", 1.5), (..., 1.5)])
def test_tariff_decides_about_the_state(backend: Caller, state: object, cost: float) -> None:
    metrics = {"cpu": {"value": 3600, "unit": "cpu-seconds"}}
    assert billed(backend.resources(resources(sourceId=SENTINEL_HUB, state=state, metrics=metrics))) == cost


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "KILLED", "UNDEFINED"])
def test_every_state_and_status(backend: Caller, status: str) -> None:
    for state in ("ACCEPTED", "RUNNING", "FINISHED", "KILLED", "FAILED", "UNDEFINED"):
        answer = backend.resources(resources(state=state, status=status, idempotencyKey=None))
        assert {line["state"] for line in answer.json()} == {state}
        report = UsageReport.objects.latest("transaction_id")
        assert (report.state, report.status) == (state, status)


def test_title_is_cut_and_cleaned_not_refused(backend: Caller) -> None:
    backend.resources(resources(jobName="two\nlines\u202e" + "x" * 2000))
    assert Job.objects.get().title == "two lines " + "x" * 490


def test_raw_body_is_kept(backend: Caller) -> None:
    body = json.dumps(resources(unknown="ü"), ensure_ascii=False).encode()
    backend.resources(body)
    assert UsageReport.objects.get().raw == body.decode()


def test_unknown_user_gets_an_account(backend: Caller) -> None:
    body = resources(userId="service-account-workflows@egi.eu")
    assert billed(backend.resources(body)) == pytest.approx(COST)
    person = Person.objects.get(sub="service-account-workflows@egi.eu")
    assert person.issuer == ISSUER
    assert queries.balance(person.current_organisation_id).posted == -623_923


def test_organisation_of_the_user_pays(backend: Caller, federation: Federation) -> None:
    for number, org in enumerate((federation.lab, str(federation.lab), float(federation.lab))):
        answer = backend.resources(resources(orgId=org, idempotencyKey=f"k-{number}"))
        assert {(line["orgId"], line["orgIdRefused"]) for line in answer.json()} == {(federation.lab, False)}
    assert queries.balance(federation.lab).posted == -3 * 623_923
    assert queries.balance(federation.alice.current_organisation).posted == 0


def test_current_organisation_pays_when_none_is_asked_for(backend: Caller, federation: Federation) -> None:
    organisations.switch_organisation(federation.alice.pk, federation.lab)
    for org in (None, ...):
        backend.resources(resources(orgId=org, idempotencyKey=f"k-{org}"))
    assert queries.balance(federation.lab).posted == -2 * 623_923


@pytest.mark.parametrize("stranger", ["lab", 0, -1, 2**63 - 1, 2**63, -(2**70), "999999999999999999999"])
def test_organisation_of_strangers_never_pays(backend: Caller, federation: Federation, stranger: Any) -> None:
    """The number comes from the user's own job options: whatever it is, the work is paid for, by the user."""
    asked = federation.lab if stranger == "lab" else stranger
    answer = backend.resources(resources(userId="charlie@egi.eu", orgId=asked))
    own = federation.charlie.personal_organisation
    assert {(line["orgId"], line["orgIdRefused"]) for line in answer.json()} == {(own, True)}
    assert queries.balance(own).posted == -623_923
    assert queries.balance(federation.lab).posted == 0
    event = OutboxEvent.objects.get(topic="organisation_refused")
    assert event.payload["person"] == federation.charlie.pk
    assert UsageReport.objects.get().organisation_refused


def test_added_value_inherits_the_organisation(backend: Caller, federation: Federation) -> None:
    backend.resources(resources(sourceId=SENTINEL_HUB, orgId=federation.lab))
    before = queries.balance(federation.lab).posted
    area = {"value": 1, "unit": "square_kilometer"}
    assert billed(backend.added_value(added_value(sourceId=SENTINEL_HUB, service=UDP, area=area))) == 2
    assert queries.balance(federation.lab).posted == before - 2_000_000
    assert queries.balance(federation.alice.personal_organisation).posted == 0


def test_reports_of_one_execution_are_one_job(backend: Caller) -> None:
    backend.resources(resources())
    backend.added_value(added_value())
    backend.resources(resources(executionId="application_2", idempotencyKey="application_2", state="FAILED"))
    job = Job.objects.get()
    assert (job.title, job.state, job.kind) == ("a test", "FAILED", "batch")
    assert set(Execution.objects.values_list("execution_id", "state")) == {
        (KEY, "FINISHED"),
        ("application_2", "FAILED"),
    }


def test_work_done_is_never_refused_for_lack_of_credits(backend: Caller, federation: Federation) -> None:
    federation.grant(federation.alice.current_organisation, 1_000_000, "start")
    body = resources(metrics={"processing": {"value": 100, "unit": "credits"}})
    assert billed(backend.resources(body)) == 100
    assert queries.balance(federation.alice.current_organisation).posted == -99_000_000
    assert OutboxEvent.objects.filter(topic="credits_exhausted").count() == 1


def test_user_credits(backend: Caller, alice: Caller, federation: Federation) -> None:
    assert alice.get("/user").json() == {"credits": 0}
    federation.grant(federation.alice.current_organisation, 50_000_000, "fifty")
    assert alice.get("/user").content == b'{"credits":50}'
    backend.resources(resources())
    assert alice.get("/user").json() == {"credits": 49.376077}


def test_user_credits_are_those_of_the_current_organisation(alice: Caller, federation: Federation) -> None:
    federation.grant(federation.lab, 7_000_000, "lab")
    assert alice.get("/user").json() == {"credits": 0}
    organisations.switch_organisation(federation.alice.pk, federation.lab)
    assert alice.get("/user").json() == {"credits": 7}


def test_somebody_new_has_an_account_and_nothing_on_it(federation: Federation, person_token: Any) -> None:
    somebody = Caller(person_token("somebody-new"))
    assert somebody.get("/user/permissions").content == b'{"execution":true}'
    assert not Person.objects.filter(sub="somebody-new").exists()
    assert somebody.get("/user").json() == {"credits": 0}
    assert Person.objects.filter(sub="somebody-new", issuer=ISSUER).count() == 1
    assert somebody.get("/user").json() == {"credits": 0}


def test_permission_to_execute(backend: Caller, alice: Caller, federation: Federation) -> None:
    """Withdrawn below zero, given back when the debt is paid; a client may always."""
    assert alice.get("/user/permissions").content == b'{"execution":true}'
    backend.resources(resources())
    assert alice.get("/user/permissions").content == b'{"execution":false}'
    federation.grant(federation.alice.current_organisation, 1_000_000, "again")
    assert alice.get("/user/permissions").content == b'{"execution":true}'
    assert backend.get("/user/permissions").content == b'{"execution":true}'


def test_validate_auth(backend: Caller) -> None:
    answer = backend.get("/validate/auth")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "clientId": "job-tracker", "sources": [SOURCE, SENTINEL_HUB]}


@pytest.mark.parametrize("path", ["/user", "/user/permissions"])
def test_answers_about_people_are_not_cached(alice: Caller, path: str) -> None:
    assert alice.get(path)["Cache-Control"] == "no-store"


def test_health_needs_no_token_and_no_database(client: Any) -> None:
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


@pytest.mark.parametrize(
    "written_by_the_user",
    [
        {"jobName": "free\x00ride"},
        {"jobName": "half \ud800 of a pair"},
        {"jobName": "x" * 5000},
        {"jobName": 2024},
        {"jobName": ["a", {"list": True}]},
        {"jobName": float("nan")},
        {"jobName": 1e300},
        {"jobName": "x" * 2**21},
        {"orgId": int("9" * 60)},
        {"orgId": int("9" * 4300)},
        {"orgId": -1},
    ],
)
def test_nothing_a_user_writes_makes_a_job_free(
    backend: Caller, federation: Federation, written_by_the_user: dict[str, Any]
) -> None:
    """Titles and organisations come from the user's own job; a 4xx would be the provider's loss."""
    assert backend.resources(resources(**written_by_the_user)).status_code == 201
    assert queries.balance(federation.alice.current_organisation).posted == -623_923


@pytest.mark.parametrize("process", ["x" * 1000, "zero\u200bwidth", " blank", "half \ud800 of a pair", "\x00", "a\nb"])
def test_a_strange_process_id_costs_nothing_and_stops_no_report(backend: Caller, process: str) -> None:
    """Users name their processes, and a client that gets a 4xx reports no other process of the job."""
    body = added_value(service=process, idempotencyKey=f"a_{process}")
    first = backend.added_value(body)
    assert first.status_code == 201
    assert [line["cost"] for line in first.json()] == [0]
    again = backend.added_value(body)
    assert (again.content, again["Idempotency-Replayed"]) == (first.content, "true")


def test_strange_process_ids_stay_apart(backend: Caller) -> None:
    services = {
        backend.added_value(added_value(service=f"{'x' * 300}{n}", idempotencyKey=f"k{n}")).json()[0]["service"]
        for n in range(3)
    }
    assert len(services) == 3
