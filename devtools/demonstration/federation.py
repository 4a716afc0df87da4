"""The providers, their back ends, the sources these report under, and the clients that report. Plain data."""

from __future__ import annotations

from dataclasses import dataclass

from devtools.demonstration.people import CDSE, EODC, SENTINEL_HUB, TERRASCOPE


@dataclass(frozen=True)
class Source:
    source_id: str
    backend: str
    backend_name: str
    url: str


@dataclass(frozen=True)
class Member:
    """A provider and the one client that reports for all of its sources."""

    slug: str
    name: str
    client_id: str
    sources: tuple[Source, ...]


MEMBERS = (
    Member(
        "terrascope",
        "Terrascope",
        "openeo-job-tracker",
        (Source(TERRASCOPE, "terrascope", "Terrascope openEO", "https://openeo.terrascope.example.org"),),
    ),
    Member(
        "cdse",
        "Copernicus Data Space Ecosystem",
        "openeo-job-tracker-cdse",
        (
            Source(CDSE, "cdse", "CDSE openEO", "https://openeo.cdse.example.org"),
            Source(SENTINEL_HUB, "sentinel-hub", "Sentinel Hub openEO", "https://openeo.sentinel-hub.example.org"),
        ),
    ),
    Member(
        "eodc",
        "EODC",
        "openeo-job-tracker-eodc",
        (Source(EODC, "eodc", "EODC openEO", "https://openeo.eodc.example.org"),),
    ),
)

_COMMON = (
    "load_collection",
    "filter_bbox",
    "filter_temporal",
    "reduce_dimension",
    "aggregate_temporal",
    "ndvi",
    "save_result",
)
OFFERS: dict[str, dict[str, list[dict[str, str]]]] = {
    slug: {
        "collections": [{"id": name} for name in collections],
        "processes": [{"id": name} for name in (*_COMMON, *processes)],
    }
    for slug, collections, processes in (
        ("terrascope", ("SENTINEL1_GRD", "SENTINEL2_L2A", "TERRASCOPE_S2_LAI_V2"), ("crop_type_map", "snow_line")),
        (
            "cdse",
            ("SENTINEL1_GRD", "SENTINEL2_L1C", "SENTINEL2_L2A", "SENTINEL3_OLCI_L1B"),
            ("crop_type_map", "snow_line"),
        ),
        ("eodc", ("SENTINEL1_GRD", "SENTINEL1_SIG0_20M", "SENTINEL2_L2A"), ()),
    )
}
"""What some say that they have, as openEO's lists do, by the slug of the back end."""
CLIENT_OF = {source.source_id: member.client_id for member in MEMBERS for source in member.sources}
"""Source id to the client that reports for it."""
