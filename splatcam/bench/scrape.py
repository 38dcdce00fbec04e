"""What a running service tells at /metrics, as numbers: for benchmarks and tests."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from splatcam.bench.local_service import Service

WITHIN_S = 60
Key = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class Scrape:
    """Every sample at one moment, or how much each grew between two."""

    samples: dict[Key, float]

    def value(self, name: str, **labels: str) -> float:
        """Raises KeyError for what is not told."""
        return self.samples[name, frozenset(labels.items())]

    def by(self, name: str, label: str) -> dict[str, float]:
        """Of a metric with one label: value by label."""
        return {dict(labels)[label]: value for (found, labels), value in self.samples.items() if found == name}

    def since(self, before: Scrape) -> Scrape:
        return Scrape({key: value - before.samples.get(key, 0.0) for key, value in self.samples.items()})

    def quantile(self, name: str, share: float) -> float:
        """Of a histogram without labels, straight between two bounds, as Prometheus does it. 0 without values."""
        counts = sorted((float(bound), count) for bound, count in self.by(f"{name}_bucket", "le").items())
        wanted, low, below = share * counts[-1][1], 0.0, 0.0
        for bound, count in counts:
            if count >= wanted > below:
                return low if bound == float("inf") else low + (bound - low) * (wanted - below) / (count - below)
            low, below = bound, count
        return 0.0


def scrape(service: Service) -> Scrape:
    request = urllib.request.Request(service.url + "/metrics")
    if service.token:
        request.add_header("Authorization", f"Bearer {service.token}")
    with urllib.request.urlopen(request, timeout=WITHIN_S) as response:
        families = text_string_to_metric_families(response.read().decode())
    return Scrape({(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples})
