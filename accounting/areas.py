"""How large a place is: the area of a GeoJSON geometry or a bounding box on the Earth's ellipsoid. Pure.

The area under an edge is integrated on the sphere of the same area as WGS 84 (authalic latitudes), with edges straight
in longitude and latitude as GeoJSON (RFC 7946) draws them. Against the exact integral it is off by less than one part
in a million, which a test keeps true.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import pairwise

from accounting.errors import InvalidInput

RADIUS = 6_371_007.180918474
"""Of the sphere with the area of WGS 84, in metres."""
ECCENTRICITY = 0.0818191908426215
MOST_POSITIONS = 50_000
LONGEST_PIECE = 1.0
"""Degrees of latitude that one step of the integration spans at most."""
NOTHING = 1e-7
"""Part of the areas under its edges below which a ring encloses nothing."""
WHOLE_EARTH = 4 * math.pi * RADIUS**2


def area_m2(place: object, field: str = "geometry") -> float:
    """Square metres of a Polygon, MultiPolygon, GeometryCollection, Feature or FeatureCollection in EPSG:4326, or of a
    box `{west, south, east, north}`, where a west that is larger than the east crosses the antimeridian.

    Holes are taken out; polygons that overlap count twice. Geometries without an area add nothing.

    :raises InvalidInput: below `field`: not one of these, impossible coordinates, too many of them, or no area at all.
    """
    if not isinstance(place, Mapping):
        raise InvalidInput("send a GeoJSON object, or a box with west, south, east and north", field=field)
    if "type" not in place and "west" in place:
        area = _box(place, field)
    else:
        area = sum(_polygon(rings, at) for rings, at in _limited(place, field))
    if not 0 < area <= WHOLE_EARTH * 1.000001:
        raise InvalidInput("the place has no area; send polygons, or the area itself as area_m2", field=field)
    return area


def _limited(place: Mapping[str, object], field: str) -> Iterator[tuple[list[list[tuple[float, float]]], str]]:
    """The polygons, as long as there are not too many positions altogether."""
    left = MOST_POSITIONS
    for polygon, at in _polygons(place, field):
        if not isinstance(polygon, list) or not polygon:
            raise InvalidInput("a polygon is a list of rings", field=at)
        left -= sum(len(ring) if isinstance(ring, list) else 1 for ring in polygon)
        if left < 0:
            raise InvalidInput(
                f"more than {MOST_POSITIONS} positions; simplify it, or send the area as area_m2", field=field
            )
        yield [_ring(ring, f"{at}.{number}") for number, ring in enumerate(polygon)], at


def _polygons(place: object, field: str, depth: int = 0) -> Iterator[tuple[object, str]]:
    """The coordinates of each polygon with their path.

    :raises InvalidInput: something that is no GeoJSON.
    """
    kind = place.get("type") if isinstance(place, Mapping) else None
    if not isinstance(place, Mapping) or not isinstance(kind, str) or depth > 4:
        raise InvalidInput("send GeoJSON: an object with a type", field=field)
    _check_reference(place, field)
    if kind == "Polygon":
        yield place.get("coordinates"), f"{field}.coordinates"
    elif kind == "MultiPolygon":
        for number, polygon in enumerate(_list(place, "coordinates", field)):
            yield polygon, f"{field}.coordinates.{number}"
    elif kind == "Feature":
        yield from _polygons(place.get("geometry"), f"{field}.geometry", depth + 1)
    elif kind in ("FeatureCollection", "GeometryCollection"):
        name = "features" if kind == "FeatureCollection" else "geometries"
        for number, inner in enumerate(_list(place, name, field)):
            yield from _polygons(inner, f"{field}.{name}.{number}", depth + 1)
    elif kind not in ("Point", "MultiPoint", "LineString", "MultiLineString"):
        raise InvalidInput("the type must be one of GeoJSON, such as Polygon", field=f"{field}.type")


def _list(place: Mapping[str, object], name: str, field: str) -> list[object]:
    found = place.get(name)
    if not isinstance(found, list):
        raise InvalidInput(f"{name} must be a list", field=f"{field}.{name}")
    return found


def _check_reference(place: Mapping[str, object], field: str) -> None:
    """GeoJSON is WGS 84; the older member `crs` may say so and nothing else."""
    reference = place.get("crs")
    if reference is not None and not any(name in str(reference)[:500] for name in ("4326", "CRS84")):
        raise InvalidInput("only EPSG:4326 is known here; transform it, or send area_m2", field=f"{field}.crs")


def _ring(ring: object, field: str) -> list[tuple[float, float]]:
    if not isinstance(ring, list) or len(ring) < 4:
        raise InvalidInput("a ring is a list of at least four positions, the last the same as the first", field=field)
    positions = [_position(one, f"{field}.{number}") for number, one in enumerate(ring)]
    if positions[0] != positions[-1]:
        raise InvalidInput("the last position of a ring is its first", field=field)
    return positions


def _position(position: object, field: str) -> tuple[float, float]:
    if not isinstance(position, list) or not 2 <= len(position) <= 4:
        raise InvalidInput("a position is [longitude, latitude]", field=field)
    return _degrees(position[0], 180, f"{field}.0"), _degrees(position[1], 90, f"{field}.1")


def _degrees(value: object, most: int, field: str) -> float:
    number = _number(value)
    if number is None or abs(number) > most:
        raise InvalidInput(f"degrees from -{most} to {most}, in EPSG:4326", field=field)
    return number


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _box(box: Mapping[str, object], field: str) -> float:
    if unknown := sorted(set(box) - {"west", "south", "east", "north", "crs"}):
        raise InvalidInput("a box has west, south, east and north", field=f"{field}.{unknown[0][:100]}")
    if box.get("crs") not in (None, 4326, "4326", "EPSG:4326"):
        raise InvalidInput("only EPSG:4326 is known here; transform it, or send area_m2", field=f"{field}.crs")
    limits = {"west": 180, "east": 180, "south": 90, "north": 90}
    at = {name: _degrees(box.get(name), most, f"{field}.{name}") for name, most in limits.items()}
    if at["south"] >= at["north"]:
        raise InvalidInput("the south of a box is below its north", field=f"{field}.south")
    width = at["east"] - at["west"]
    if width <= 0:
        width += 360
    height = _sine(at["north"]) - _sine(at["south"])
    return RADIUS**2 * math.radians(width) * height


def _polygon(rings: list[list[tuple[float, float]]], field: str) -> float:
    """The outer ring less its holes, whichever way they turn."""
    outer, *holes = (abs(_under(ring)) for ring in rings)
    area = outer - sum(holes)
    if area < 0:
        raise InvalidInput("the holes of a polygon are larger than the polygon", field=field)
    return area


def _under(ring: list[tuple[float, float]]) -> float:
    """The signed area that a ring encloses: the integral of the sine of the latitude along it.

    Counted from the height of the first position, so that small rings keep their digits.
    """
    base = _sine(ring[0][1])
    total = moved = 0.0
    for (start, low), (end, high) in pairwise(ring):
        pieces = max(1, math.ceil(abs(high - low) / LONGEST_PIECE))
        step = (high - low) / pieces
        mean = 0.0
        for piece in range(pieces):  # Simpson's rule on each piece
            left = low + piece * step
            mean += _sine(left) + 4 * _sine(left + step / 2) + _sine(left + step)
        under = math.radians(end - start) * (mean / (6 * pieces) - base)
        total += under
        moved += abs(under)
    # A ring that goes back the way it came encloses nothing but what the rule is off by.
    return RADIUS**2 * total if abs(total) > NOTHING * moved else 0.0


def _sine(latitude: float) -> float:
    """The sine of the authalic latitude: -1 at the south pole, 1 at the north pole."""
    return _q(math.sin(math.radians(latitude))) / _Q_POLE


def _q(sine: float) -> float:
    e = ECCENTRICITY
    return (1 - e * e) * (sine / (1 - (e * sine) ** 2) + math.atanh(e * sine) / e)


_Q_POLE = _q(1.0)
