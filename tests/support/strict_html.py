"""HTML that may hold nothing but what a test allows."""

from html.parser import HTMLParser

OUTPUT_TAGS = {
    "div", "section", "header", "footer", "article", "h3", "h4", "p", "span", "b", "small", "progress", "dl", "dt", "dd",
    "table", "caption", "thead", "tbody", "tr", "th", "td", "code", "pre", "br", "details", "summary", "figure", "figcaption",
    "ins", "del",
}  # fmt: skip
"""The elements of qfnb's own outputs, without those of Markdown."""

CHART_TAGS = {
    "svg",
    "path",
    "text",
    "g",
    "rect",
    "line",
    "circle",
    "title",
    "form",
    "label",
    "input",
}
"""The elements of a chart of curves."""

CHART_ATTRIBUTES = {
    "xmlns", "viewbox", "width", "height", "font-size", "font-family", "font-weight", "text-anchor", "d", "fill",
    "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "stroke-linejoin", "opacity", "pointer-events",
    "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "method", "type", "name", "checked",
}  # fmt: skip

OUTPUT_ATTRIBUTES = {
    "class", "lang", "role", "title", "scope", "max", "value", "aria-label", "aria-hidden", "aria-busy",
}  # fmt: skip

SAFE_ADDRESSES = {
    "href": ("http://", "https://", "mailto:"),
    "src": ("data:image/svg+xml;base64,", "data:image/png;base64,"),
}


class StrictParser(HTMLParser):
    """Fails on an element or attribute that is not allowed, and on an address that could act."""

    def __init__(self, tags, attributes):
        super().__init__()
        self.tags = set(tags)
        self.attributes = set(attributes)

    def handle_starttag(self, tag, attrs):
        assert tag in self.tags, tag
        for name, value in attrs:
            assert name in self.attributes, name
            if name in SAFE_ADDRESSES:
                assert value.lower().startswith(SAFE_ADDRESSES[name]), value


def assert_only(html, tags, attributes):
    """Assert that HTML has only these elements and attributes, and safe addresses."""
    StrictParser(tags, attributes).feed(html)


def without_stylesheet(html):
    """Return an output without the stylesheet that it begins with."""
    assert html.startswith("<style>")
    return html.split("</style>", 1)[1]
