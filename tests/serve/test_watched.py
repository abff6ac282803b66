import math

from ml_sys.outcomes.last_monitoring import keep
from ml_sys.outcomes.monitoring import Check, Monitoring
from ml_sys.serve.prometheus import Metrics


def test_metrics_hold_the_last_monitoring_from_when_there_is_one(tmp_path):
    metrics = Metrics(tmp_path)
    assert b"mlsys_monitor" not in metrics.text()
    checks = (
        Check("arrival", "prospects", 1.0, 2.0, "companies", 0.5, 0.25, alarm=True),
        Check("inputs", "industry", 1.0, 2.0, "share", math.nan, 0.15),
    )
    keep(Monitoring("1.0.0", "abc", "2020-02-03", "2020-02-03", "2020-01-06", 5, checks), tmp_path)
    lines = metrics.text().decode().splitlines()
    assert "mlsys_monitor_alarms 1.0" in lines
    assert 'mlsys_monitor_info{day="2020-02-03",model_version="1.0.0"} 1.0' in lines
    assert 'mlsys_monitor_effect{check="prospects"} 0.5' in lines
    assert 'mlsys_monitor_limit{check="prospects"} 0.25' in lines
    assert 'mlsys_monitor_alarm{check="industry"} 0.0' in lines
    assert not [line for line in lines if line.startswith('mlsys_monitor_effect{check="industry"')]
