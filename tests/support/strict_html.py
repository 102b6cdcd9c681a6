"""HTML that may hold nothing but what a test allows."""

from html.parser import HTMLParser

SAFE_ADDRESSES = {
    "href": ("http://", "https://", "mailto:"),
    "src": ("data:image/svg+xml;base64,", "data:image/png;base64,"),
}


class StrictParser(HTMLParser):
    """Fails on an element or attribute that is not allowed, and on an address that could act."""

    def __init__(self, tags, attributes):
        super().__init__()
        self.tags, self.attributes = set(tags), set(attributes)

    def handle_starttag(self, tag, attrs):
        assert tag in self.tags, tag
        for name, value in attrs:
            assert name in self.attributes, name
            if name in SAFE_ADDRESSES:
                assert value.lower().startswith(SAFE_ADDRESSES[name]), value


def assert_only(html, tags, attributes):
    """Assert that HTML has only these elements and attributes, and safe addresses."""
    StrictParser(tags, attributes).feed(html)
