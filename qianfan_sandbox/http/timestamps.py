"""Times as the platform writes them; the writers take Unix seconds, and a text for a time that is
None.
"""

from datetime import UTC, datetime, timedelta, timezone, tzinfo

BEIJING = timezone(timedelta(hours=8))
_UTC = "%Y-%m-%dT%H:%M:%SZ"


def utc(timestamp: float | None, absent: str = "0000-00-00T00:00:00Z") -> str:
    """Return `2024-01-31T08:00:00Z`."""
    return _formatted(timestamp, UTC, _UTC, absent)


def utc_spaced(timestamp: float | None, absent: str = "") -> str:
    """Return `2024-01-31 08:00:00`, in UTC."""
    return _formatted(timestamp, UTC, "%Y-%m-%d %H:%M:%S", absent)


def beijing(timestamp: float | None, absent: str = "") -> str:
    """Return `2024-01-31T16:00:00+08:00`."""
    return _formatted(timestamp, BEIJING, "%Y-%m-%dT%H:%M:%S+08:00", absent)


def beijing_spaced(timestamp: float | None, absent: str = "0000-00-00 00:00:00") -> str:
    """Return `2024-01-31 16:00:00`, in Beijing's time."""
    return _formatted(timestamp, BEIJING, "%Y-%m-%d %H:%M:%S", absent)


def parse_utc(text: str) -> float:
    """Return the Unix seconds of `2024-01-31T08:00:00Z`.

    Raises:
        ValueError: the text has a different form.
    """
    return datetime.strptime(text, _UTC).replace(tzinfo=UTC).timestamp()


def _formatted(timestamp: float | None, zone: tzinfo, pattern: str, absent: str) -> str:
    if timestamp:
        return datetime.fromtimestamp(timestamp, zone).strftime(pattern)
    return absent
