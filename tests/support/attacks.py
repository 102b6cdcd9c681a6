"""Texts that act when a sink is careless: scripts, handlers, addresses, escapes, direction tricks,
clobbering.
"""

ATTACKS = [
    "<script>window.__hit=1</script>",
    "<img src=x onerror=window.__hit=1>",
    "<svg/onload=window.__hit=1>",
    "<svg><animate onbegin=window.__hit=1 attributeName=x dur=1s>",
    "<iframe srcdoc='<script>parent.__hit=1</script>'>",
    "<details open ontoggle=window.__hit=1>x</details>",
    "<video><source onerror=window.__hit=1></video>",
    "<body onload=window.__hit=1>",
    "<math><mtext></p><style><img src=x onerror=window.__hit=1>",
    "[x](javascript:window.__hit=1)",
    "[x](JaVaScRiPt:window.__hit=1)",
    "[x](&#106;avascript:window.__hit=1)",
    "[x](data:text/html;base64,PHNjcmlwdD53aW5kb3cuX19oaXQ9MTwvc2NyaXB0Pg==)",
    '![x](x" onerror="window.__hit=1)',
    "![track](https://evil.invalid/pixel.png)",
    "<a href='javascript:window.__hit=1' id=__target>y</a>",
    "<form id=document><input name=cookie></form>",
    "<a href='#' data-commandlinker-command='help:about'>z</a>",
    "<style>body{display:none}</style>",
    "```html\n<img src=x onerror=window.__hit=1>\n```",
    '`"><img src=x onerror=window.__hit=1>`',
    "| a |\n|---|\n| <img src=x onerror=window.__hit=1> |",
    "$\\href{javascript:window.__hit=1}{x}$",
    (
        "\\(\\href{javascript:window.__hit=1}{x}\\) and "
        "\\[\\require{html}\\href{javascript:window.__hit=1}{x}\\]"
    ),
    "\\begin{align}\\cssId{__target}{\\class{jp-Button}{\\style{position:fixed;inset:0}{x}}}\\end{align}",
    "$ \\href{javascript:window.__hit=1}{x} $ 5$\\href{javascript:window.__hit=1}{x}$5",
    "$\\bbox[background:url(https://evil.invalid/pixel.png)]{x}$",
    "$$\\href{https://evil.invalid/}{x}$$ \\(\\unicode[url(https://evil.invalid/)]{x263a}\\)",
    "$x</span><img src=x onerror=window.__hit=1>$",
    "```python\nx = '<img src=x onerror=window.__hit=1>'\n```",
    "- [x] <img src=x onerror=window.__hit=1>",
    "\u202e<script>window.__hit=1</script>\u202c",
    "\x1b]8;;javascript:window.__hit=1\x07link\x1b]8;;\x07 \x1b[31mred",
    "'\"><img src=x onerror=window.__hit=1>",
]
