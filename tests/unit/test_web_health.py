"""Whether a process lives, is ready and is well, as supervisors and people ask for it."""

from pathlib import Path

from tests.integration.ingest_service import ingest_in


async def test_a_service_on_its_log_is_alive_ready_and_well(tmp_path: Path) -> None:
    async with ingest_in(tmp_path) as service:
        await service.post({"id": "e1", "title": "One"})
        alive = await service.ask("GET", "/livez", token=None)
        ready = await service.ask("GET", "/readyz", token=None)
        health = await service.ask("GET", "/healthz", token=None)

    assert (alive.status, ready.status, health.status) == (200, 200, 200)
    assert health.body == {
        "ready": True,
        "log": "reachable",
        "view": {"stale": False, "undecodable_records": 0},
        "sources": {"blogs_polled": 0, "failing": 0},
    }


async def test_accepted_events_are_counted_by_type(tmp_path: Path) -> None:
    async with ingest_in(tmp_path) as service:
        await service.post([{"id": "e1", "title": "One"}, {"id": "e2", "title": "Two"}])
        metrics = await service.ask("GET", "/metrics", token=None)

    assert metrics.status == 200
    assert 'slugline_events_total{type="entry.created"} 2.0' in metrics.body
    assert 'slugline_events_total{type="blog.updated"} 1.0' in metrics.body


async def test_the_description_is_served_with_its_page(tmp_path: Path) -> None:
    async with ingest_in(tmp_path) as service:
        document = await service.ask("GET", "/openapi.json", token=None)
        page = await service.ask("GET", "/api", token=None)

    assert "/v1/blogs/{blog}/documents" in document.body["paths"]
    assert page.headers["Content-Type"].startswith("text/html")
    assert "/v1/blogs/{blog}/documents" in page.body
