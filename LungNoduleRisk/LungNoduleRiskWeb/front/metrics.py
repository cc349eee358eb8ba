"""Numbers for Prometheus: how much the server is used, and nothing of who uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from LungNoduleRiskWeb.front.sessions import Sessions


class SessionMetrics(Collector):
    """What `Sessions` and the open connections amount to, at each question."""

    def __init__(self, sessions: Sessions, connections: Callable[[], int]):
        self._sessions, self._connections = sessions, connections

    def collect(self) -> Iterator[Metric]:
        sessions = self._sessions
        yield GaugeMetricFamily(
            "nodulerisk_sessions", "Sessions that have a user.", value=sessions.used
        )
        yield GaugeMetricFamily(
            "nodulerisk_sessions_most", "Sessions that there may be.", value=sessions.most
        )
        yield SummaryMetricFamily(
            "nodulerisk_session_start_seconds",
            "How long visitors waited for a new session.",
            count_value=sessions.started,
            sum_value=sessions.waited_seconds,
        )
        yield self._ended()
        yield GaugeMetricFamily(
            "nodulerisk_connections", "Connections of browsers.", value=self._connections()
        )

    def _ended(self) -> CounterMetricFamily:
        family = CounterMetricFamily(
            "nodulerisk_sessions_ended", "Sessions that ended, and why.", labels=["why"]
        )
        for why, count in self._sessions.ended.items():
            family.add_metric([why], count)
        return family


def metrics(sessions: Sessions, connections: Callable[[], int]):
    """The handler that answers Prometheus."""
    registry = CollectorRegistry()
    registry.register(SessionMetrics(sessions, connections))

    async def answer(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    return answer
