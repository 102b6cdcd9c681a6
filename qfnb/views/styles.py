"""The look of everything that is drawn: CSS of HTML elements, and words that several views share.

Each constant is a whole `style` attribute. Colours are translucent or inherited, so that a light and a dark
theme both show them.
"""

from typing import Final

from ..wire.prices import PriceRange

SANDBOX_LABEL: Final = "本地沙盒 sandbox"  # marks what did not come from the Qianfan platform
BODY: Final = 'style="line-height:1.6;font-variant-numeric:tabular-nums"'
BODY_COMPACT: Final = 'style="line-height:1.5;font-variant-numeric:tabular-nums"'
DIM: Final = 'style="font-size:90%;opacity:0.8"'
DIM_BLOCK: Final = 'style="display:block;font-size:90%;opacity:0.8"'
BADGE: Final = 'style="border:1px solid #8888;border-radius:8px;padding:0 6px;margin-left:6px;font-size:85%"'
EARLIER_TURN: Final = 'style="opacity:0.75"'

PREFORMATTED_WRAPPED: Final = 'style="white-space:pre-wrap;overflow-wrap:anywhere"'
CODE: Final = (
    'style="white-space:pre-wrap;overflow-wrap:anywhere;font-size:90%;line-height:1.4;border:1px solid #8884;'
    'padding:6px 8px;margin:2px 0"'
)


BAR: Final = 'style="width:50%;height:14px;vertical-align:middle"'
BAR_SMALL: Final = 'style="width:9em;height:12px;vertical-align:middle"'

TABLE: Final = 'style="border-collapse:collapse;margin:4px 0;font-size:90%"'
TABLE_PLAIN: Final = 'style="border-collapse:collapse;margin:4px 0"'
TABLE_FIXED: Final = 'style="table-layout:fixed;width:100%;border-collapse:collapse;margin:4px 0"'
CELL_FLUSH: Final = 'style="text-align:left;vertical-align:top;padding:2px 10px 2px 0;border-bottom:1px solid #8884"'
CELL_LONG_TEXT: Final = (
    'style="text-align:left;vertical-align:top;padding:3px 8px;border-bottom:1px solid #8884;'
    'white-space:pre-wrap;overflow-wrap:anywhere;min-width:4em;max-width:34em"'
)
CELL_ONE_LINE: Final = 'style="text-align:left;padding:1px 10px 1px 0;white-space:nowrap"'
CELL_NAME: Final = (
    'style="text-align:left;padding:1px 10px 1px 0;font-weight:600;max-width:24em;overflow-wrap:anywhere"'
)

LABEL: Final = 'style="display:block;text-align:left;white-space:normal;line-height:1.35;overflow-wrap:anywhere"'
ERROR: Final = 'style="display:block;font-size:90%;font-weight:bold;color:#d9363e"'
WARNING: Final = 'style="display:block;font-size:90%;color:#b7791f"'


def format_cost(cost: PriceRange | None) -> str:
    """Return a cost in CNY, both ends where it is a range, "unknown" where it is not known."""
    if cost is None:
        return "价格未知 price not known"
    low, high = (f"¥{end:.6f}".rstrip("0").rstrip(".") for end in (cost.low, cost.high))
    return high if low == high else f"{low}–{high.removeprefix('¥')}"
