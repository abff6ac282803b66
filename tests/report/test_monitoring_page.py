from ml_sys.outcomes.monitoring import Challenger, Check, Matured, Monitoring, Moved
from ml_sys.report.monitoring_page import monitoring_page

LOUD = Check("inputs", "industry", 0.2, 0.4, "share", 0.5, 0.15, 0.001, alarm=True)
QUIET = Check("age", "days since the model's data end", 20.0, 0.0, "days", 20.0, 180.0)


def page(**more):
    return monitoring_page(
        Monitoring("1.0.0", "abc", "2020-02-10", "2020-02-03", "2020-01-06", 1500, (LOUD, QUIET), **more)
    )


def test_the_page_begins_with_what_rings():
    html = page()
    assert html.index("1 alarm rings:") < html.index("industry: 20.0%, and 40.0% in the reference")
    assert "1,500 prospects at 2020-02-03" in html


def test_what_there_is_nothing_of_says_why():
    html = page()
    assert "no list has matured that the version has not learnt from" in html
    assert "there is no candidate beside the version in production" in html


def test_lists_challengers_and_features_have_their_tables():
    html = page(
        matured=(Matured("2020-01-06", 1400, 9.94, 4, 17, 11),),
        handed_out=(Matured("2020-01-05", 1300, 8.5, 3, 15, 7),),
        challengers=(
            Challenger("1.1.0", 50, 44, 2, 9, 0.21, 0.18, 0.7),
            Challenger("1.2.0", 50, 41),
            Challenger("1.3.0", 50, problem="no such version <1.3.0>"),
        ),
        features=(Moved("actions_7d", 0.3),),
    )
    for cell in ("4 to 17", "44 of 50", "0.210", "70%", "41 of 50", "no such version &lt;1.3.0&gt;", "0.300"):
        assert cell in html, cell
