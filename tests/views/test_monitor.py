from ml_sys.outcomes.monitoring import Challenger, Check, Matured, Monitoring, Moved
from ml_sys.views.monitor import monitoring

LOUD = Check("inputs", "industry", 0.2, 0.4, "share", 0.5, 0.15, 0.001, alarm=True)


def test_a_monitoring_shows_each_check_and_ends_with_what_rings(capsys):
    monitoring(
        Monitoring(
            "1.0.0",
            "abc",
            "2020-02-10",
            "2020-02-03",
            "2020-01-06",
            1500,
            (LOUD,),
            features=(Moved("actions_7d", 0.3), Moved("idle", 0.0)),
            matured=(Matured("2020-01-06", 1400, 9.94, 4, 17, 11),),
            handed_out=(Matured("2020-01-05", 1300, 8.5, 3, 15, 7),),
            challengers=(
                Challenger("1.1.0", 50, 44, 2, 9, 0.21, 0.18, 0.7),
                Challenger("1.2.0", 50, problem="gone"),
            ),
            notes=("a note",),
        )
    )
    shown = capsys.readouterr().out
    for part in (
        "ALARM",
        "0.0010",
        "4 to 17",
        "3 to 15",
        "44 of 50",
        "70%",
        "gone",
        "actions_7d 0.30",
        "a note",
    ):
        assert part in shown, part
    assert "idle" not in shown
    assert shown.endswith("1 alarm rings:\n  industry: 20.0%, compared with 40.0% in the reference\n")


def test_where_nothing_rings_it_says_so(capsys):
    monitoring(Monitoring("1.0.0", "abc", "2020-02-10", "2020-02-03", "2020-01-06", 1500, ()))
    assert capsys.readouterr().out.endswith("No alarm rings.\n")
