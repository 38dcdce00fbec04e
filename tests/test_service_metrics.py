from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import get_args

import pytest
from fastapi.testclient import TestClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from splatcam.engine import EngineStatus
from splatcam.metrics import METRICS, Service, exposition, registry_of
from splatcam.settings import Settings
from splatcam.telemetry import Stage, Telemetry
from stream_server import create_app
from tests.fakes import PaperEngine


def told(telemetry: Telemetry, state: str = "ready") -> dict[str, float]:
    """Every sample as Prometheus reads it: `name{label=value}` → value."""
    service = Service(telemetry, lambda: EngineStatus(state, "a sentence"))  # type: ignore[arg-type]
    text, _ = exposition(registry_of(service), "")
    return {
        sample.name + "".join(f"{{{k}={v}}}" for k, v in sorted(sample.labels.items())): sample.value
        for family in parse(text.decode())
        for sample in family.samples
    }


def test_every_metric_is_told_from_the_start_with_all_its_labels() -> None:
    samples = told(Telemetry())
    for metric in METRICS:
        suffix = "_count" if metric.kind == "histogram" else ""
        for value in metric.values:
            assert metric.name + suffix + (f"{{{metric.label}={value}}}" if metric.label else "") in samples


def test_names_say_their_unit_or_that_they_are_totals() -> None:
    for metric in METRICS:
        assert metric.name.startswith("splatcam_")
        assert (metric.kind == "counter") == metric.name.endswith("_total")


def test_received_is_what_ended_and_what_is_in_flight() -> None:
    telemetry = Telemetry()
    for _ in range(5):
        telemetry.received()
    for outcome in ("delivered", "superseded", "failed"):
        telemetry.ended(outcome)  # type: ignore[arg-type]
    samples = told(telemetry)
    ended = sum(value for name, value in samples.items() if name.startswith("splatcam_frames_total"))
    assert samples["splatcam_frames_received_total"] == 5
    assert samples["splatcam_frames_in_flight"] == 2
    assert ended == 3


def test_milliseconds_are_told_as_seconds_in_cumulative_buckets() -> None:
    telemetry = Telemetry()
    for ms in (2, 33, 40, 9000):
        telemetry.observe("decode", ms)
    samples = told(telemetry)
    name = "splatcam_stage_seconds"
    counts = {bound: samples[f"{name}_bucket{{le={bound}}}{{stage=decode}}"] for bound in ("0.001", "0.002", "0.033")}
    assert counts == {"0.001": 0, "0.002": 1, "0.033": 2}
    assert samples[f"{name}_bucket{{le=5.0}}{{stage=decode}}"] == 3
    assert samples[f"{name}_bucket{{le=+Inf}}{{stage=decode}}"] == samples[f"{name}_count{{stage=decode}}"] == 4
    assert samples[f"{name}_sum{{stage=decode}}"] == pytest.approx(9.075)


def test_a_stage_that_nobody_knows_makes_no_label() -> None:
    telemetry = Telemetry()
    for number in range(100):
        telemetry.observe(f"stage {number} of a model", 1.0)
    samples = told(telemetry)
    assert samples["splatcam_stage_seconds_count{stage=other}"] == 100
    stages = {name.partition("stage=")[2] for name in samples if name.startswith("splatcam_stage_seconds_count")}
    assert stages == {f"{stage}}}" for stage in get_args(Stage)}


def test_a_client_cannot_make_up_close_codes() -> None:
    telemetry = Telemetry()
    for code in (1000, 1013, 3000, 4999):
        telemetry.closed(code)
    samples = told(telemetry)
    assert samples["splatcam_websocket_closed_total{code=1000}"] == 1
    assert samples["splatcam_websocket_closed_total{code=1013}"] == 1
    assert samples["splatcam_websocket_closed_total{code=other}"] == 2
    assert len(told(Telemetry())) == len(samples)


def test_one_latency_that_a_client_claims_does_not_own_the_sum() -> None:
    telemetry = Telemetry()
    telemetry.observe("shown", 1e300)
    assert told(telemetry)["splatcam_stage_seconds_sum{stage=shown}"] <= 600


def test_the_engines_state_is_the_one_that_is_1() -> None:
    samples = told(Telemetry(), "restarting")
    states = {name: value for name, value in samples.items() if name.startswith("splatcam_engine_state")}
    assert [name for name, value in states.items() if value] == ["splatcam_engine_state{state=restarting}"]
    assert len(states) == 5


def test_everything_that_is_counted_reaches_prometheus() -> None:
    telemetry = Telemetry()
    telemetry.engine_restarted("hang")
    telemetry.connection_refused("full")
    telemetry.dropped_nonfinite(7)
    telemetry.transferred("out", 1234)
    telemetry.session_opened("pictures")
    telemetry.result("replaced")
    telemetry.made("pixel/splats16", 30_000)
    telemetry.lagged(12.0)
    samples = told(telemetry)
    assert samples["splatcam_engine_restarts_total{cause=hang}"] == 1
    assert samples["splatcam_connections_refused_total{reason=full}"] == 1
    assert samples["splatcam_nonfinite_total"] == 7
    assert samples["splatcam_bytes_total{direction=out}"] == 1234
    assert samples["splatcam_sessions{kind=pictures}"] == 1
    assert samples["splatcam_results_total{outcome=replaced}"] == 1
    assert samples["splatcam_gaussians_sum"] == 30_000
    assert samples["splatcam_event_loop_lag_seconds_count"] == 1


def test_two_services_in_one_process_count_apart() -> None:
    one, other = Telemetry(), Telemetry()
    one.received()
    assert told(one)["splatcam_frames_received_total"] == 1
    assert told(other)["splatcam_frames_received_total"] == 0


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(create_app(Settings(), PaperEngine(), Telemetry())) as client:
        yield client


@pytest.mark.parametrize("accepted", ["text/plain;version=x.y", "application/openmetrics-text;version=a.b", "\xff;,;"])
def test_what_accept_says_beyond_reason_is_answered_with_the_text_form(client: TestClient, accepted: str) -> None:
    answer = client.get("/metrics", headers={"Accept": accepted.encode("latin-1")})
    assert (answer.status_code, answer.headers["content-type"][:10]) == (200, "text/plain")
    assert "splatcam_frames_received_total" in answer.text


def test_the_route_speaks_the_text_form_and_openmetrics(client: TestClient) -> None:
    text = client.get("/metrics")
    assert text.status_code == 200
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "splatcam_build_info" in {sample.name for family in parse(text.text) for sample in family.samples}
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    open_metrics = client.get("/metrics", headers=accept)
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert "splatcam_frames" in {family.name for family in parse_openmetrics(open_metrics.text)}


def test_the_facts_about_the_service_say_since_when_how_often_and_how_much(client: TestClient) -> None:
    service = client.get("/info").json()["service"]
    assert datetime.fromisoformat(service["up_since"]).tzinfo is not None
    assert service["protocol"] == 1
    assert service["engine_restarts"] == 0
    assert service["sessions"] == {}
    assert service["limits"]["max_sessions"] == Settings().max_sessions
    with client.websocket_connect("/ws"):
        assert client.get("/info").json()["service"]["sessions"] == {"live": 1}


def test_nobody_keeps_yesterdays_numbers(client: TestClient) -> None:
    assert client.get("/metrics").headers["cache-control"] == "no-store"
