"""The charges behind a sum: they add up to it, page by page and in files, and say who paid and what was given back."""

from __future__ import annotations

import csv
import io
import json
import re
import tracemalloc
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounting import ledger
from accounting.breakdowns import Period
from accounting.models import Job, UsageReport
from accounting.rating import UsageLine
from portal.contexts import usage_files
from tests.accounting.books import booked, micros
from tests.accounting.spending_lives import Life
from tests.conftest import Federation
from tests.portal.reader import text_of

QUERIES = (
    *("period=all", "period=all&state=FAILED", "period=all&grant=", "period=30d&kind=sync"),
    "period=all&process=ndvi&process=crop_type",
)


def read_file(client: Client, path: str) -> str:
    response: Any = client.get(path)
    assert response.status_code == 200
    return b"".join(response.streaming_content).decode()


def records(client: Client, query: str) -> list[dict[str, str]]:
    text = read_file(client, f"/usage/entries/export.csv?{query}")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


@pytest.mark.parametrize("query", QUERIES)
def test_pages_files_and_the_sum_say_the_same(life: Life, bob: Client, query: str) -> None:
    table = json.loads(read_file(bob, f"/usage/export.json?{query}"))
    listed = records(bob, query)
    document = json.loads(read_file(bob, f"/usage/entries/export.json?{query}"))
    pages: list[str] = []
    path = f"/usage/entries/?{query}"
    while path:
        page = bob.get(path).content.decode()
        assert page.count(f'value="{table["credits"]}"') >= 1  # the sum stands on each page
        body = page.partition("<tbody>")[2].partition("</tbody>")[0]
        rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
        pages += [re.findall(r'<td class="figure[^"]*"><data class="credits" value="([^"]+)"', row)[-1] for row in rows]
        older = re.search(r'<a class="button-quiet" href="([^"]+)"[^>]*rel="next"', page)
        path = older[1].replace("&amp;", "&") if older else ""

    assert pages == [record["credits"] for record in listed]
    assert [entry["credits"] for entry in document["entries"]] == pages
    assert sum(map(Decimal, pages)) == Decimal(table["credits"])


def test_pages_lead_back(life: Life, bob: Client) -> None:
    first = bob.get("/usage/entries/?period=all").content.decode()
    older = re.search(r'href="([^"]+)"[^>]*rel="next"', first)
    assert older
    second = bob.get(older[1].replace("&amp;", "&")).content.decode()
    newer = re.search(r'href="([^"]+)"[^>]*rel="prev"', second)
    assert newer
    assert bob.get(newer[1].replace("&amp;", "&")).content.decode().count("<tr") == first.count("<tr")


def test_it_says_line_rule_and_grants_and_what_was_given_back(federation: Federation, bob: Client) -> None:
    federation.grant(federation.lab, micros(2), "Trial credits of spring")
    taken = booked(federation, "k-1", organisation=federation.lab, job_title="Dune vegetation")
    page = text_of(bob.get("/usage/entries/"))

    assert "Dune vegetation j-1" in page
    assert "CPU time 1.416389 CPU-hours CPU: q * 1.5" in page
    assert "Trial credits of spring" in page
    assert "Not covered yet" in page
    ledger.reverse(taken, "provider_outage")
    page = text_of(bob.get("/usage/entries/"))
    assert "Given back the back end was out of order" in page
    assert "Given back later the back end was out of order" in page
    assert sum(Decimal(one["credits"]) for one in records(bob, "")) == 0
    assert [one["reason"] for one in records(bob, "")] == ["provider_outage", "provider_outage", "", ""]


def test_what_others_spent_on_the_same_day_is_not_there(federation: Federation, bob: Client) -> None:
    home = federation.alice.personal_organisation
    booked(federation, "k-1", organisation=federation.lab, job_title="Dune vegetation")
    booked(federation, "k-2", organisation=home, job_title="Canary of a neighbour", job_id="j-2", execution_id="e-2")

    for path in ("/usage/entries/", "/usage/?by=member", "/jobs/", "/search/?q=canary", "/dashboard/"):
        assert "Canary" not in text_of(bob.get(path)), path
    assert [one["job_id"] for one in records(bob, "")] == ["j-1", "j-1"]
    table = json.loads(read_file(bob, "/usage/export.json?by=member"))
    assert Decimal(table["credits"]) == sum(Decimal(one["credits"]) for one in records(bob, ""))


def test_a_part_of_a_line_says_of_how_much(federation: Federation, bob: Client) -> None:
    grant = federation.grant(federation.lab, micros(2), "g")
    four = UsageLine("cpu", Decimal(9600), "cpu-seconds", "9600")
    booked(federation, "k-1", organisation=federation.lab, lines=(four,))

    page = text_of(bob.get(f"/usage/entries/?grant={grant}"))
    assert re.search(r"2\.00 ?€0\.02 ?of 4\.00", page), page


def test_queries_do_not_grow_with_the_rows(
    life: Life, bob: Client, django_assert_num_queries: DjangoAssertNumQueries, django_assert_max_num_queries: Any
) -> None:
    bob.get("/usage/entries/?period=all")
    with django_assert_max_num_queries(22):
        bob.get("/usage/entries/?period=all")
    with django_assert_max_num_queries(22):
        bob.get("/usage/entries/?period=all&state=FAILED&kind=sync")


class TestFiles:
    def test_nothing_in_a_cell_is_a_formula(self, federation: Federation, bob: Client) -> None:
        federation.grant(federation.lab, micros(50), "=1+1")
        titles = ("=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", 'fine, "quoted"\nand broken')
        for number, title in enumerate(titles):
            booked(federation, f"k-{number}", organisation=federation.lab, job_title=title, job_id=f"=j{number}")
        found = records(bob, "")

        told = {one["job_title"] for one in found}
        assert told == {"'=HYPERLINK(1)", "'+1", "'-1", "'@SUM(A1)", titles[-1]}
        assert all(one["job_id"].startswith("'=j") for one in found)
        assert all(one["paid_by"].startswith("'=1+1: ") for one in found)
        assert all(Decimal(one["credits"]) > 0 for one in found)

    def test_names_and_types(self, federation: Federation, bob: Client) -> None:
        days = "period=custom&from=2026-01-01&to=2026-01-31"
        text, program = "text/csv; charset=utf-8", "application/json"
        for path, kind, name in (
            (f"/usage/export.csv?{days}", text, "usage-geo-lab-2026-01-01-2026-01-31.csv"),
            (f"/usage/entries/export.json?{days}", program, "charges-geo-lab-2026-01-01-2026-01-31.json"),
        ):
            response = bob.get(path)
            assert response["Content-Type"] == kind
            assert response["Content-Disposition"] == f'attachment; filename="{name}"'
            assert "no-store" in response["Cache-Control"]
        assert bob.get("/usage/export.xlsx").status_code == 404
        assert bob.get("/usage/entries/export.xml").status_code == 404

    def test_an_organisation_without_latin_letters_is_named_by_its_number(self) -> None:
        day = Period(date(2026, 1, 1), date(2026, 1, 2))
        name = usage_files.file_name("usage", "Ελλάδα", 7, day, "csv")
        assert name == "usage-organisation-7-2026-01-01-2026-01-01.csv"

    def test_instants_are_iso_in_utc(self, life: Life, bob: Client) -> None:
        for one in records(bob, "period=all"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", one["at"])
            assert re.fullmatch(r"-?\d+(\.\d{1,6})?", one["credits"])

    @pytest.mark.slow
    def test_memory_does_not_grow_with_the_rows(self, federation: Federation, bob: Client) -> None:
        """Ten times the rows, about the same peak; kept in memory they would need ten times as much."""
        federation.grant(federation.lab, micros(50), "g")
        booked(federation, "k-1", organisation=federation.lab)
        peaks: list[int] = []
        copied = 0
        for rows in (1_000, 10_000):
            multiply(federation, rows - copied, copied)
            copied = rows
            peaks.append(peak_of(bob, rows))

        assert peaks[1] < 1.5 * peaks[0]
        kept = tracemalloc_of(lambda: records(bob, "period=all"))
        assert kept > 3 * peaks[1]  # negative control: somebody who keeps them all


def multiply(federation: Federation, count: int, start: int) -> None:
    """So many more reports like the first, over 200 days, as the owner of the tables."""
    report = UsageReport.objects.get(organisation=federation.lab, transaction__key="k-1")
    job = Job.objects.get(pk=report.job_id)
    values = {"id": report.pk, "count": count, "base": 10**6 + start, "job": job.pk}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in _COPIES:
            cursor.execute(statement, values)
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
        cursor.execute("ANALYZE")


_COPIES = (
    """INSERT INTO accounting_transaction (id, kind, client_id, endpoint, source_id, service, key, fingerprint, answer,
              reason, note, occurred_at, recorded_at)
       SELECT %(base)s + n, kind, client_id, endpoint, source_id, service, NULL, '', '', '', '',
              occurred_at - interval '1 day' * (n %% 200), recorded_at
         FROM accounting_transaction, generate_series(1, %(count)s) n WHERE id = %(id)s""",
    """INSERT INTO accounting_usagereport (transaction_id, uuid, client_id, source_id, person_id, organisation_id,
              organisation_refused, job_id, execution_id, endpoint, service, kind, state, status, finished_at, facts,
              tariff_id, amount, raw, received_at)
       SELECT t.id, gen_random_uuid(), r.client_id, r.source_id, person_id, organisation_id, false, job_id, '',
              r.endpoint, r.service, r.kind, state, status, t.occurred_at, facts, tariff_id, amount, '', received_at
         FROM accounting_usagereport r, accounting_transaction t
        WHERE r.transaction_id = %(id)s AND t.id > %(base)s""",
    """INSERT INTO accounting_usageline (report_id, number, metric, reported, unit, canonical_quantity, canonical_unit,
              rule_id, formula, amount, posting, process, collection)
       SELECT t.id, number, metric, reported, unit, canonical_quantity, canonical_unit, rule_id, formula, amount,
              posting, process, collection
         FROM accounting_usageline, accounting_transaction t
        WHERE report_id = %(id)s AND number = 1 AND t.id > %(base)s""",
    """INSERT INTO accounting_spend (transaction_id, posting, line, grant_id, amount, cause_id)
       SELECT t.id, s.posting, 1, NULL, s.amount, t.id FROM accounting_spend s, accounting_transaction t
        WHERE s.transaction_id = %(id)s AND s.line = 1 AND t.id > %(base)s""",
    """INSERT INTO accounting_spendcell AS x (organisation_id, day, backend_id, person_id, project_id, process,
              collection, kind, state, grant_id, amount)
       SELECT organisation_id, day, backend_id, person_id, project_id, process, collection, kind, state, grant_id,
              sum(amount)
         FROM accounting_spend_facts f
        WHERE f.id IN (SELECT s.id FROM accounting_spend s WHERE s.transaction_id > %(base)s)
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
           ON CONFLICT (organisation_id, day, backend_id, person_id, project_id, process, collection, kind, state,
                        grant_id) DO UPDATE SET amount = x.amount + excluded.amount""",
)


def peak_of(client: Client, rows: int) -> int:
    """Bytes of Python at most while a file is read and thrown away."""

    def read() -> None:
        response: Any = client.get("/usage/entries/export.csv?period=all")
        assert sum(part.count(b"\r\n") for part in response.streaming_content) > rows

    return tracemalloc_of(read)


def tracemalloc_of(work: Any) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
