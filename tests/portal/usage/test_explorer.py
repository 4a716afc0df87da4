"""The usage explorer: whose figures, which figures, and that chart, table and files say the same as the ledger (S1)."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounting import limits, organisations
from accounting.breakdowns import DIMENSIONS as COLUMNS
from accounting.breakdowns import STEPS, Period, Slice
from accounting.credits import to_decimal
from accounting.models import BackEnd, Project
from portal import claims
from portal.contexts import usage_table
from portal.contexts.usage_names import COLUMNS as RENAMED
from portal.contexts.usage_query import DIMENSIONS
from tests.accounting import spending_lives as lives
from tests.accounting.spending_lives import Life
from tests.conftest import ISSUER, Federation
from tests.portal.reader import sign_in, text_of

FIRST, LAST = date(2026, 1, 20), date(2026, 3, 19)
OF_ADDRESS = {column: name for name, column in RENAMED.items()}


def read_page(page: str) -> dict[str, Any]:
    """The chart's document, and the table as it is printed: titles and exact credits."""
    chart = re.search(r'<script id="usage-chart-data" type="application/json">(.*?)</script>', page)
    body = re.search(
        r'<section aria-labelledby="usage-table-title".*?<tbody>(.*?)</tbody>.*?<tfoot>(.*?)</tfoot>', page, re.DOTALL
    )
    if not (chart and body):
        return {"chart": None, "rows": [], "total": Decimal(0)}
    rows = []
    for row in re.findall(r"<tr.*?</tr>", body[1], re.DOTALL):
        title = re.search(r'data-open[^>]*>(.*?)</a>|<span class="text-muted">(.*?)</span>', row)
        assert title
        values = [Decimal(value) for value in re.findall(r'<data class="credits" value="([^"]+)"', row)]
        rows.append((title[1] or title[2], values))
    total = re.findall(r'<data class="credits" value="([^"]+)"', body[2])
    return {"chart": json.loads(chart[1]), "rows": rows, "total": Decimal(total[-1])}


def read_file(client: Client, path: str) -> str:
    response: Any = client.get(path)
    assert response.status_code == 200
    return b"".join(response.streaming_content).decode()


def address_values(of: Slice, names: dict[str, dict[Any, str]]) -> list[tuple[str, str]]:
    return [
        (OF_ADDRESS.get(column, column), names.get(column, {}).get(value, "" if value is None else str(value)))
        for column, wanted in of.values.items()
        for value in wanted
    ]


class TestWhoSeesWhat:
    def test_strangers_sign_in(self, client: Client, db: None) -> None:
        for path in ("/usage/", "/usage/entries/", "/usage/export.csv", "/usage/entries/export.json", "/usage/views/"):
            assert client.get(path).status_code == 302

    def test_another_organisation_sees_nothing_of_it(self, life: Life) -> None:
        life.federation.grant(life.federation.lab, 10**9, "A canary among grants")
        mallory = sign_in("mallory@egi.eu")
        foreign = f"member={life.federation.alice.pk}&period=all"

        claims.store(ISSUER, life.federation.alice.sub, {"name": "Alice the Canary"})
        for path in ("/usage/", "/usage/entries/", "/usage/values/grant/"):
            for query in ("?period=all", f"?{foreign}", f"?{foreign}&by=grant"):
                page = mallory.get(path + query).content.decode()
                assert "anary" not in page
                assert "crop_type" not in page
        grant = life.federation.grant(life.federation.lab, 10**9, "Another canary")
        assert "Another canary" not in mallory.get(f"/usage/?grant={grant}").content.decode()
        assert read_file(mallory, f"/usage/entries/export.csv?{foreign}").count("\n") == 1

    def test_a_project_of_others_is_one_that_there_is_not(self, life: Life) -> None:
        mallory = sign_in("mallory@egi.eu")

        for project in ("crops", "never-was"):
            response = mallory.get(f"/usage/?project={project}")
            assert response.status_code == 400
            assert "project must be" in text_of(response)

    def test_viewers_may_look(self, life: Life, federation: Federation) -> None:
        organisations.switch_organisation(federation.charlie.pk, federation.lab)

        assert "crop_type" in sign_in(federation.charlie.sub).get("/usage/?period=all&by=process").content.decode()


class TestFigures:
    @pytest.mark.parametrize("life", [11, 12, 13], indirect=True)
    def test_chart_table_and_files_are_the_sums_of_spends(self, life: Life, bob: Client) -> None:
        lab, rng = life.federation.lab, Random(99)
        rows = lives.spends(lab)
        names: dict[str, dict[Any, str]] = {
            "backend": dict(BackEnd.objects.values_list("pk", "slug")),
            "project": {None: "", **dict(Project.objects.values_list("pk", "slug"))},
        }
        checked = 0
        for _ in range(25):
            of = lives.random_slice(rng, lab, rows)
            by = rng.choice((*COLUMNS, *STEPS))
            split = rng.choice([name for name in ("", *COLUMNS) if name != by])
            amounts: Counter[Any] = Counter()
            for row in rows:
                if lives.fits(row, of):
                    amounts[lives.step_of(row["day"], by) if by in STEPS else row[by]] += row["amount"]
            query = [
                *[("period", "custom"), ("from", of.period.since.isoformat())],
                *[("to", (of.period.until - timedelta(days=1)).isoformat())],
                *[("by", OF_ADDRESS.get(by, by)), ("split", OF_ADDRESS.get(split, split))],
                *address_values(of, names),
            ]
            address = "&".join(f"{name}={value}" for name, value in query)
            page = read_page(bob.get(f"/usage/?{address}").content.decode())
            table = json.loads(read_file(bob, f"/usage/export.json?{address}"))
            lines = list(csv.reader(io.StringIO(read_file(bob, f"/usage/export.csv?{address}").removeprefix("\ufeff"))))

            expected = sorted(to_decimal(amount) for amount in amounts.values() if amount)
            assert sorted(Decimal(row["credits"]) for row in table["rows"] if Decimal(row["credits"])) == expected
            assert Decimal(table["credits"]) == sum(expected)
            assert [(line[1], line[2]) for line in lines[1:]] == [
                (row["name"], row["credits"]) for row in table["rows"]
            ]
            if not page["rows"]:
                assert not expected
                continue
            checked += 1
            assert page["total"] == sum(expected)
            printed = [values[-1] for _, values in page["rows"]]
            assert printed == [Decimal(row["credits"]) for row in table["rows"]]
            drawn = [
                sum(Decimal(str(one)) for one in stack)
                for stack in zip(*(s["values"] for s in page["chart"]["series"]), strict=True)
            ]
            assert sorted(drawn) == pytest.approx(sorted(printed))
            if split:
                parts = [[Decimal(part["credits"]) for part in row["parts"]] for row in table["rows"]]
                assert [sum(part) for part in parts] == printed
                assert [[Decimal(cell) for cell in line[len(line) - len(parts[0]) :]] for line in lines[1:]] == parts
        assert checked > 8

    def test_the_period_before_is_compared(self, life: Life, bob: Client) -> None:
        page = read_page(bob.get("/usage/?period=30d&by=backend").content.decode())
        rows = lives.spends(life.federation.lab)
        now, before = Period(date(2026, 2, 19), date(2026, 3, 21)), Period(date(2026, 1, 20), date(2026, 2, 19))
        sums = [
            {
                backend: sum(
                    row["amount"]
                    for row in rows
                    if row["backend"] == backend and period.since <= row["day"] < period.until
                )
                for backend in {row["backend"] for row in rows}
            }
            for period in (before, now)
        ]

        assert sum(sums[0].values()) > 0 < sum(sums[1].values())
        expected = sorted(([to_decimal(one[backend]) for one in sums] for backend in sums[0]), key=lambda two: -two[1])
        assert [values for _, values in page["rows"]] == expected

    def test_many_values_are_summed_in_one_more_row(
        self, life: Life, bob: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = read_page(bob.get("/usage/?period=all&by=grant&split=member").content.decode())
        monkeypatch.setattr(usage_table, "MOST_ROWS", 2)
        monkeypatch.setattr(usage_table, "MOST_SERIES", 1)
        short = read_page(bob.get("/usage/?period=all&by=grant&split=member").content.decode())

        assert len(short["rows"]) == 3 < len(whole["rows"])
        assert short["rows"][:2][0][1][-1] == whole["rows"][0][1][-1]
        assert short["rows"][2][0] == f"{len(whole['rows']) - 2} others"
        assert short["total"] == whole["total"] == sum(values[-1] for _, values in short["rows"])
        assert [len(values) for _, values in short["rows"]] == [5, 5, 5][:3] or len(short["chart"]["series"]) == 2

    def test_rows_are_sorted_as_asked(self, life: Life, bob: Client) -> None:
        for sort, place, falls in (("amount", -1, False), ("-amount", -1, True)):
            rows = read_page(bob.get(f"/usage/?period=all&by=grant&sort={sort}").content.decode())["rows"]
            amounts = [values[place] for _, values in rows]
            assert amounts == sorted(amounts, reverse=falls)
        names = [
            title for title, _ in read_page(bob.get("/usage/?period=all&by=process&sort=name").content.decode())["rows"]
        ]
        assert names == sorted(names, key=str.casefold)

    def test_an_empty_period_says_what_to_do(self, federation: Federation, bob: Client) -> None:
        assert "Nothing was spent in these days" in text_of(bob.get("/usage/"))
        assert "Nothing was spent on this" in text_of(bob.get("/usage/?kind=sync"))
        assert "Nothing was charged" in text_of(bob.get("/usage/entries/?kind=sync"))

    def test_a_row_opens_what_is_in_it(self, life: Life, bob: Client) -> None:
        """From months to days, from a back end to its processes: the sums stay."""
        page = bob.get("/usage/?period=all&by=month").content.decode()
        first = read_page(page)["rows"][0]
        links = [link.replace("&amp;", "&") for link in re.findall(r'data-open[^>]*href="([^"]+)"', page)]
        opened = read_page(bob.get(links[0]).content.decode())

        assert "by=" not in links[0]  # by day, as usual
        assert opened["total"] == first[1][-1]
        page = bob.get("/usage/?period=all&by=backend").content.decode()
        (first, *_), (link, *_) = read_page(page)["rows"], re.findall(r'data-open[^>]*href="([^"]+)"', page)
        assert "by=process" in link
        assert read_page(bob.get(link.replace("&amp;", "&")).content.decode())["total"] == first[1][-1]


class TestNames:
    def test_members_are_called_by_name_and_unknown_ones_said_so(self, life: Life, bob: Client) -> None:
        page = text_of(bob.get("/usage/?period=all&by=member"))

        assert "You" in page
        assert f"Somebody who has not signed in yet Number {life.federation.alice.pk}" in page
        claims.store(ISSUER, life.federation.alice.sub, {"name": "Alice Archer"})
        assert "Alice Archer" in text_of(bob.get("/usage/?period=all&by=member"))

    def test_nobody_is_you_in_a_file(self, life: Life, bob: Client) -> None:
        table = read_file(bob, "/usage/export.csv?period=all&by=member")
        entries = read_file(bob, "/usage/entries/export.csv?period=all")

        for text in (table, entries):
            assert "Bob Baker" in text
            assert ",You," not in text

    def test_who_left_is_still_called_by_name(self, life: Life, bob: Client) -> None:
        claims.store(ISSUER, life.federation.alice.sub, {"name": "Alice Archer"})
        from accounting.models import Member

        Member.objects.filter(organisation_id=life.federation.lab, person_id=life.federation.alice.pk).delete()
        page = text_of(bob.get(f"/usage/?period=all&by=member&member={life.federation.alice.pk}"))

        assert "Alice Archer Not a member any more" in page

    def test_grants_and_projects_by_their_names(self, life: Life, bob: Client) -> None:
        limits.create_project(life.federation.lab, "crops", "Crops of Flanders")
        assert "Crops of Flanders" in text_of(bob.get("/usage/?period=all&by=project"))
        assert "Free credits" in text_of(bob.get("/usage/?period=all&by=grant"))


class TestPage:
    @pytest.mark.parametrize(
        "query",
        [
            *("by=x", "split=y", "period=z", "sort=1", "backend=nowhere", "project=nowhere", "member=x", "grant=x"),
            *("kind=x", "process=%00", "from=x", "period=custom&from=2026-01-01", "state=%00"),
        ],
    )
    def test_a_bad_parameter_is_named_on_every_page(self, federation: Federation, bob: Client, query: str) -> None:
        name = "to" if "custom" in query else query.partition("=")[0]
        for path in (
            "/usage/",
            "/usage/entries/",
            "/usage/export.csv",
            "/usage/entries/export.json",
            "/usage/values/process/",
        ):
            response = bob.get(f"{path}?{query}")
            assert response.status_code == 400, path
            assert re.search(rf"\b{name} must be", text_of(response)), path

    @pytest.mark.parametrize(
        "place", ["x", "1", "1.2", "1.2.3.4", "-1.2.3", "1.2.99999", f"{10**18}.1.1", f"1.{2**63}.1"]
    )
    def test_a_bad_place_is_refused(self, federation: Federation, bob: Client, place: str) -> None:
        for name in ("after", "before"):
            response = bob.get(f"/usage/entries/?{name}={place}")
            assert response.status_code == 400
            assert name in text_of(response)
        assert bob.get("/usage/entries/?after=1.1.1&before=1.1.1").status_code == 400

    def test_htmx_gets_the_part_and_the_words_for_screen_readers(self, life: Life, bob: Client) -> None:
        whole = bob.get("/usage/?period=all").content.decode()
        part = bob.get("/usage/?period=all", headers={"HX-Request": "true"}).content.decode()

        assert "<html" in whole
        assert "<html" not in part
        assert 'hx-swap-oob="true"' in part
        assert (
            "<html"
            in bob.get("/usage/", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"}).content.decode()
        )

    def test_the_form_keeps_what_is_filtered_by(self, life: Life, bob: Client) -> None:
        page = bob.get("/usage/?period=all&process=ndvi&grant=&state=FAILED").content.decode()

        assert re.search(r'name="process" value="ndvi" checked', page)
        assert re.search(r'name="grant" value="" checked', page)
        assert re.search(r'name="state" value="FAILED" checked', page)

    def test_values_that_are_many_come_when_asked_for(self, life: Life, bob: Client) -> None:
        found = text_of(bob.get("/usage/values/process/?period=all&process=gone"))

        assert {"ndvi", "crop_type", "gone"} <= set(found.split())
        assert bob.get("/usage/values/backend/").status_code == 404

    @pytest.mark.parametrize(
        ("query", "most"),
        [
            ("", 14),
            ("?by=member&split=grant&period=all", 16),
            ("?by=process&member=1&grant=1&project=crops&backend=cdse", 18),
        ],
    )
    def test_queries_do_not_grow_with_history(
        self,
        life: Life,
        bob: Client,
        django_assert_max_num_queries: Any,
        django_assert_num_queries: DjangoAssertNumQueries,
        query: str,
        most: int,
    ) -> None:
        bob.get(f"/usage/{query}")
        with django_assert_max_num_queries(most) as seen:
            bob.get(f"/usage/{query}")
        life.clock(None)
        life.live(12)
        with django_assert_num_queries(len(seen)):
            bob.get(f"/usage/{query}")

    def test_texts_of_others_stay_texts(self, life: Life, bob: Client) -> None:
        limits.create_project(life.federation.lab, "crops", "<script>alert(1)</script>")
        life.federation.grant(life.federation.lab, 10**9, "=HYPERLINK(1)")
        life._job()
        page = bob.get("/usage/?period=all&by=project").content.decode()

        assert "<script>alert" not in page
        assert all(name in DIMENSIONS for name in OF_ADDRESS.values())
