"""Units of measurement by their names, Chinese and international, each with its kind and its
size.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Final, NamedTuple


class Unit(NamedTuple):
    """A unit: what it measures, and its size against the base of that kind."""

    kind: str
    scale: Fraction


_PREFIXES: Final = {"n": -9, "μ": -6, "u": -6, "m": -3, "c": -2, "k": 3, "M": 6, "G": 9, "": 0}
_SYMBOLS: Final = {
    "m": "length", "g": "mass", "L": "volume", "s": "time", "W": "power", "V": "voltage",
    "A": "current",
    "Hz": "frequency", "J": "energy", "N": "force", "Pa": "pressure",
}  # fmt: skip
_NAMES: Final = {
    "length": {"毫米": "0.001", "厘米": "0.01", "分米": "0.1", "米": "1", "千米": "1000",
    "公里": "1000"},
    "mass": {"毫克": "0.001", "克": "1", "斤": "500", "千克": "1000", "公斤": "1000",
    "吨": "1000000", "t": "1000000"},
    "volume": {"毫升": "0.001", "升": "1", "立方米": "1000", "m^3": "1000", "ml": "0.001",
    "l": "1"},
    "area": {
        "平方厘米": "0.0001", "cm^2": "0.0001", "平方米": "1", "m^2": "1", "公顷": "10000",
        "平方千米": "1000000", "平方公里": "1000000", "km^2": "1000000",
    },
    "time": {
        "秒": "1", "秒钟": "1", "分钟": "60", "小时": "3600", "天": "86400", "second": "1",
        "seconds": "1", "min": "60",
        "minute": "60", "minutes": "60", "h": "3600", "hour": "3600", "hours": "3600",
        "day": "86400", "days": "86400",
    },
    "speed": {"m/s": "1", "米/秒": "1", "米每秒": "1", "km/h": "5/18", "千米/时": "5/18",
    "公里/小时": "5/18"},
    "share": {"%": "0.01", "‰": "0.001", "percent": "0.01", "per cent": "0.01"},
    "CNY": {"元": "1", "块钱": "1", "角": "0.1", "¥": "1", "人民币": "1", "RMB": "1", "CNY": "1",
    "yuan": "1"},
    "USD": {"美元": "1", "$": "1", "USD": "1", "dollars": "1", "dollar": "1"},
    "EUR": {"欧元": "1", "€": "1", "EUR": "1", "euros": "1", "euro": "1"},
    "GBP": {"英镑": "1", "£": "1", "GBP": "1", "pounds": "1"},
    "temperature in °C": {"°C": "1", "摄氏度": "1"},
    "temperature in °F": {"°F": "1", "华氏度": "1"},
    "angle": {"°": "1", "度": "1"},
}  # fmt: skip


def _all_units() -> Iterator[tuple[str, Unit]]:
    for symbol, kind in _SYMBOLS.items():
        for prefix, exponent in _PREFIXES.items():
            yield prefix + symbol, Unit(kind, Fraction(10) ** exponent)
    for kind, names in _NAMES.items():
        yield from ((name, Unit(kind, Fraction(scale))) for name, scale in names.items())


UNITS: Final[Mapping[str, Unit]] = dict(_all_units())
"""Units by name; capitals count: mW and MW."""
