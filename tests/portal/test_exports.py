"""Copies of personal data: whose they are, what is in them, and what happens when a worker dies or fails."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client

from accounting import personal_data, receipts
from portal import archives, exports, tasks
from portal.api import script_tokens
from portal.models import DataExport, DataExportChunk, User
from tests.portal import scene as scenes
from tests.portal.reader import sign_in, text_of


@pytest.fixture
def user(alice: Client) -> User:
    User.objects.filter(sub=scenes.ALICE).update(name="Alice Archer", email="alice@example.org")
    return User.objects.get(sub=scenes.ALICE)


def files_of(user: User) -> dict[str, Any]:
    """What the person would find in the archive."""
    exports.request(user)
    assert exports.make_waiting() == 1
    row = exports.newest(user)
    assert row is not None
    content = b"".join(exports.pieces(row))
    assert len(content) == row.size
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    return {name: json.loads(text) if name.endswith(".json") else text for name, text in texts.items()}


class TestWhoseTheyAre:
    def test_a_stranger_signs_in_first(self, client: Client, db: None) -> None:
        assert client.post("/profile/data/export/").status_code == 302
        assert client.get(f"/profile/data/export/{uuid.uuid4()}/").status_code == 302
        assert not DataExport.objects.exists()

    def test_somebody_elses_does_not_exist(self, user: User) -> None:
        row = exports.request(user)
        exports.make_waiting()

        assert sign_in(scenes.BOB).get(f"/profile/data/export/{row.pk}/").status_code == 404

    def test_only_what_the_person_ran_is_in_it(self, user: User) -> None:
        files = files_of(user)
        mine = {job["job_id"] for job in files["jobs.json"]}

        assert mine
        assert mine.isdisjoint(job.job_id for job in _jobs_of(scenes.BOB))
        assert scenes.BOB not in json.dumps(files)


class TestWhatIsInThem:
    def test_every_file_is_named_in_the_readme(self, user: User) -> None:
        files = files_of(user)

        assert set(files) == {"README.txt", *(section.name for section in archives.SECTIONS)}
        assert all(name in files["README.txt"] for name in files if name != "README.txt")

    def test_profile_places_tokens_and_notices(self, user: User) -> None:
        _, secret = script_tokens.create(user, "nightly", ["jobs:read"], 30)
        files = files_of(user)

        assert files["profile.json"]["email"] == "alice@example.org"
        assert files["profile.json"]["account"]["sub"] == scenes.ALICE
        assert {one["name"] for one in files["organisations.json"]} == {"Personal", "Geo Lab Ghent"}
        assert [one["name"] for one in files["tokens.json"]] == ["nightly"]
        assert script_tokens.text_of(secret) not in json.dumps(files)
        assert ("member.added", False) in {(one["action"], one["by_you"]) for one in files["audit.json"]}
        assert [one["kind"] for one in files["notices.json"]] == ["organisation_refused"]

    def test_jobs_come_with_receipts_that_add_up(self, user: User) -> None:
        jobs = {job["job_id"]: job for job in files_of(user)["jobs.json"]}
        golden = jobs["j-2611209f31c4a7"]

        assert golden["cost"] == "7.759775"
        assert len(golden["receipts"]) == 2
        assert len(jobs) == len(_jobs_of(scenes.ALICE))

    def test_tables_are_read_in_windows(self, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = files_of(user)
        for name, size in (("WINDOW", 2), ("JOBS_AT_ONCE", 1)):
            monkeypatch.setattr(personal_data, name, size)
        monkeypatch.setattr(receipts, "LIMIT", 1)

        assert files_of(user)["jobs.json"] == whole["jobs.json"]

    def test_pieces_are_small(self, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(archives, "PIECE_BYTES", 512)
        files_of(user)
        sizes = [
            len(content) for content in DataExportChunk.objects.order_by("number").values_list("content", flat=True)
        ]

        assert len(sizes) > 3
        assert set(sizes[:-1]) == {512}


class TestMaking:
    def test_asking_twice_makes_one(self, user: User) -> None:
        assert exports.request(user).pk == exports.request(user).pk
        assert (exports.make_waiting(), exports.make_waiting()) == (1, 0)

    def test_a_new_copy_takes_the_place_of_the_old_one(self, user: User) -> None:
        old = exports.request(user)
        exports.make_waiting()
        new = exports.request(user)
        assert exports.find(user, old.pk)
        exports.make_waiting()

        assert exports.find(user, old.pk) is None
        assert exports.find(user, new.pk)

    def test_progress_ends_at_the_whole(self, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(personal_data, "WINDOW", 3)
        exports.request(user)
        exports.make_waiting()
        row = DataExport.objects.get()

        assert row.done == row.total == archives.steps()

    def test_the_work_of_a_dead_worker_is_done_by_the_next(self, user: User) -> None:
        row = exports.request(user)
        DataExport.objects.update(attempt=1, claimed_until=Now() + timedelta(minutes=1))
        DataExportChunk.objects.create(export=row, attempt=1, number=0, content=b"half an archive")
        assert exports.make_waiting() == 0
        DataExport.objects.update(claimed_until=Now() - timedelta(seconds=1))

        assert exports.make_waiting() == 1
        assert set(DataExportChunk.objects.values_list("attempt", flat=True)) == {2}

    def test_a_worker_that_was_given_up_finishes_nothing(self, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
        exports.request(user)
        write = archives.write

        def slow(*terms: Any) -> None:
            DataExport.objects.update(attempt=F("attempt") + 1)
            write(*terms)

        monkeypatch.setattr(archives, "write", slow)

        assert exports.make_waiting() == 0
        assert DataExport.objects.get().ready_at is None

    def test_a_failure_is_tried_again_and_told_in_the_end(
        self, user: User, alice: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exports.request(user)
        monkeypatch.setattr(archives, "write", _fail)
        for _ in range(exports.ATTEMPTS):
            assert exports.make_waiting() == 0
            assert DataExport.objects.get().failed_at is None
            DataExport.objects.update(claimed_until=Now())
        exports.make_waiting()

        assert DataExport.objects.get().failed_at is not None
        assert "The last copy could not be made" in text_of(alice.get("/profile/data/"))
        monkeypatch.undo()
        exports.request(user)
        assert tasks.make_exports() == 1

    def test_one_that_is_too_large_is_given_up_at_once(self, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(exports, "MOST_BYTES", 100)
        exports.request(user)

        assert exports.make_waiting() == 0
        assert DataExport.objects.get().failed_at is not None


class TestFetching:
    def test_from_the_button_to_the_file(self, user: User, alice: Client) -> None:
        assert alice.post("/profile/data/export/")["Location"] == "/profile/data/"
        part = alice.get("/profile/data/", headers={"HX-Request": "true"})
        assert "begins in a moment" in text_of(part)
        assert 'hx-trigger="every 2s"' in part.content.decode()
        exports.make_waiting()
        done = alice.get("/profile/data/", headers={"HX-Request": "true"})
        assert "Your copy is ready" in text_of(done)
        assert "hx-trigger" not in done.content.decode()

        row = DataExport.objects.get()
        file = alice.get(f"/profile/data/export/{row.pk}/")
        assert file["Content-Type"] == "application/zip"
        assert file["Content-Length"] == str(row.size)
        assert file["Content-Disposition"].startswith('attachment; filename="openeo-credits-20')
        assert "no-store" in file["Cache-Control"]
        assert zipfile.is_zipfile(io.BytesIO(b"".join(file.streaming_content)))  # type: ignore[attr-defined]

    def test_after_a_week_it_is_gone_and_then_deleted(self, user: User, alice: Client) -> None:
        row = exports.request(user)
        exports.make_waiting()
        DataExport.objects.update(ready_at=Now() - exports.KEPT)

        assert alice.get(f"/profile/data/export/{row.pk}/").status_code == 404
        assert "Make a copy" in text_of(alice.get("/profile/data/"))
        exports.make_waiting()
        assert not DataExportChunk.objects.exists()

    def test_one_that_is_not_ready_cannot_be_fetched(self, user: User, alice: Client) -> None:
        row = exports.request(user)

        assert alice.get(f"/profile/data/export/{row.pk}/").status_code == 404


def _fail(*_: Any) -> None:
    raise RuntimeError("the disk is full")


def _jobs_of(sub: str) -> list[Any]:
    from accounting import queries

    return list(queries.jobs().filter(person__sub=sub))
