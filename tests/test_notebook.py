from html.parser import HTMLParser

import pandas as pd

from ml_sys.notebook import framed, titled


def test_a_title_and_texts_of_a_table_are_no_markup():
    shown = titled("<Acme>", pd.DataFrame({"industry": ["<b>Retail</b>"]}))
    assert "&lt;Acme&gt;" in shown
    assert "<b>Retail" not in shown


def test_a_long_table_shows_its_beginning_and_says_how_much_is_left():
    shown = titled("Prospects", pd.DataFrame({"rank": range(1, 1031)}))
    assert "<td>20</td>" in shown
    assert "<td>21</td>" not in shown
    assert "1,010 more rows" in shown


def test_a_short_table_is_shown_whole():
    assert "more rows" not in titled("Prospects", pd.DataFrame({"rank": range(20)}))


def test_a_page_in_a_frame_is_the_page():
    page = '<html><body class="one">a &amp; b</body></html>'
    found = {}

    class Frame(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found[tag] = dict(attrs)

    Frame().feed(framed(page))
    assert list(found) == ["iframe"]
    assert found["iframe"]["srcdoc"] == page
