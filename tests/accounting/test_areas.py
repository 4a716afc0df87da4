"""The area of places: against exact integrals and known countries' sizes, and what is no place."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from accounting import areas
from accounting.errors import InvalidInput

FLANDERS = {"west": 2.5, "south": 50.7, "east": 5.9, "north": 51.5}


def polygon(*positions: tuple[float, float]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[list(position) for position in (*positions, positions[0])]]}


def square(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    return polygon((west, south), (east, south), (east, north), (west, north))


def exact(west: float, south: float, east: float, north: float) -> float:
    """The integral over the ellipsoid, by many small strips of M * N cos(lat) dlat dlon (WGS 84)."""
    a, e2 = 6378137.0, areas.ECCENTRICITY**2
    strips = 4000
    total = 0.0
    for n in range(strips):
        latitude = math.radians(south + (north - south) * (n + 0.5) / strips)
        w = 1 - e2 * math.sin(latitude) ** 2
        total += a * (1 - e2) / w**1.5 * (a / math.sqrt(w)) * math.cos(latitude)
    return total * math.radians(north - south) / strips * math.radians(east - west)


@pytest.mark.parametrize("box", [(2.5, 50.7, 5.9, 51.5), (-180, -90, 180, 90), (0, 0, 1, 1), (10, 69, 30, 71)])
def test_a_box_is_exact_to_a_millionth(box: tuple[float, float, float, float]) -> None:
    named = dict(zip(("west", "south", "east", "north"), box, strict=True))
    assert areas.area_m2(named) == pytest.approx(exact(*box), rel=1e-6)
    assert areas.area_m2(square(*box)) == pytest.approx(exact(*box), rel=1e-6)


def test_the_earth_is_510_million_km2() -> None:
    assert pytest.approx(510.0656, abs=1e-3) == areas.WHOLE_EARTH / 1e12


def test_a_slanted_edge_is_exact_to_a_millionth() -> None:
    triangle, box = areas.area_m2(polygon((0, 40), (10, 40), (0, 60))), exact(0, 40, 10, 60)
    a, e2 = 6378137.0, areas.ECCENTRICITY**2
    total, strips = 0.0, 20000
    for n in range(strips):
        degrees = 40 + 20 * (n + 0.5) / strips
        latitude, width = math.radians(degrees), math.radians(10 * (60 - degrees) / 20)
        w = 1 - e2 * math.sin(latitude) ** 2
        total += a * a * (1 - e2) / w**2 * math.cos(latitude) * width
    assert triangle == pytest.approx(total * math.radians(20) / strips, rel=1e-6)
    assert triangle < box


def test_collections_add_up_and_holes_are_taken_out() -> None:
    one, two = square(0, 0, 2, 2), square(3, 0, 4, 1)
    hole = square(0.5, 0.5, 1, 1)
    together = {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": g} for g in (one, two)]}
    both = areas.area_m2(one) + areas.area_m2(two)
    assert areas.area_m2(together) == pytest.approx(both)
    assert areas.area_m2({"type": "GeometryCollection", "geometries": [one, two]}) == pytest.approx(both)
    multi = {"type": "MultiPolygon", "coordinates": [one["coordinates"], two["coordinates"]]}
    assert areas.area_m2(multi) == pytest.approx(both)
    holed = {"type": "Polygon", "coordinates": [*one["coordinates"], *hole["coordinates"]]}
    assert areas.area_m2(holed) == pytest.approx(areas.area_m2(one) - areas.area_m2(hole))


def test_points_beside_polygons_add_nothing() -> None:
    point = {"type": "Point", "coordinates": [1, 1]}
    mixed = {"type": "GeometryCollection", "geometries": [square(0, 0, 1, 1), point]}
    assert areas.area_m2(mixed) == areas.area_m2(square(0, 0, 1, 1))


def test_a_box_may_cross_the_antimeridian() -> None:
    across = areas.area_m2({"west": 179, "south": 0, "east": -179, "north": 1})
    assert across == pytest.approx(areas.area_m2({"west": 0, "south": 0, "east": 2, "north": 1}))


def test_numbers_are_as_the_parser_makes_them() -> None:
    assert areas.area_m2({name: Decimal(str(value)) for name, value in FLANDERS.items()}) == areas.area_m2(FLANDERS)


@pytest.mark.parametrize(
    ("place", "field"),
    [
        (None, "geometry"),
        ([], "geometry"),
        ({}, "geometry"),
        ({"type": 7}, "geometry"),
        ({"type": "Circle"}, "geometry.type"),
        ({"type": "Point", "coordinates": [1, 2]}, "geometry"),
        ({"type": "Polygon"}, "geometry.coordinates"),
        ({"type": "Polygon", "coordinates": []}, "geometry.coordinates"),
        ({"type": "Polygon", "coordinates": [[]]}, "geometry.coordinates.0"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [2, 2]]]}, "geometry.coordinates.0"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], 7, [0, 0]]]}, "geometry.coordinates.0.2"),
        (polygon((0, 0), (181, 0), (1, 1)), "geometry.coordinates.0.1.0"),
        (polygon((0, 0), (1, 91), (1, 1)), "geometry.coordinates.0.1.1"),
        (polygon((0, 0), (1, float("nan")), (1, 1)), "geometry.coordinates.0.1.1"),
        (polygon((0, 0), (1, True), (1, 1)), "geometry.coordinates.0.1.1"),
        (polygon((0, 0), (1, Decimal("1E+400")), (1, 1)), "geometry.coordinates.0.1.1"),  # type: ignore[arg-type]
        (polygon((0, 0), (1, 10**400), (1, 1)), "geometry.coordinates.0.1.1"),
        (polygon((0, 0), (1, 1), (2, 2)), "geometry"),
        ({"type": "MultiPolygon", "coordinates": 7}, "geometry.coordinates"),
        ({"type": "Feature", "geometry": None}, "geometry.geometry"),
        ({"type": "FeatureCollection"}, "geometry.features"),
        ({"type": "FeatureCollection", "features": []}, "geometry"),
        ({**square(0, 0, 1, 1), "crs": {"properties": {"name": "EPSG:32631"}}}, "geometry.crs"),
        ({**FLANDERS, "crs": 32631}, "geometry.crs"),
        ({**FLANDERS, "height": 3}, "geometry.height"),
        ({**FLANDERS, "north": 40}, "geometry.south"),
        ({"west": 1, "south": 2, "east": 3}, "geometry.north"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_no_place_is_refused_with_the_field(place: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        areas.area_m2(place)
    assert refused.value.field == field


def test_too_many_positions_and_too_deep_collections_are_refused() -> None:
    ring = [[n / 1e6, 0.0] for n in range(areas.MOST_POSITIONS)] + [[0.05, 1.0], [0.0, 0.0]]
    with pytest.raises(InvalidInput, match="positions"):
        areas.area_m2({"type": "Polygon", "coordinates": [ring]})
    nested: Any = square(0, 0, 1, 1)
    for _ in range(10):
        nested = {"type": "GeometryCollection", "geometries": [nested]}
    with pytest.raises(InvalidInput):
        areas.area_m2(nested)


def test_holes_larger_than_the_polygon_are_refused() -> None:
    rings = [*square(0, 0, 1, 1)["coordinates"], *square(0, 0, 2, 2)["coordinates"]]
    with pytest.raises(InvalidInput, match="holes"):
        areas.area_m2({"type": "Polygon", "coordinates": rings})
