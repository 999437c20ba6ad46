from __future__ import annotations

import pytest

from servicelayer_operator.settings import Address, Settings, SettingsError, load, namespace_list


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = load({})
    assert settings.watch_namespaces == ()
    assert settings.namespaces == (None,)
    assert settings.leader_election
    assert settings.metrics_addr == Address("", 8080)
    assert settings.health_addr == Address("", 8081)
    assert (settings.resync_seconds, settings.workers) == (600.0, 8)
    assert settings.default_postgres_image == "postgres:17"


def test_every_variable_is_read() -> None:
    settings = load(
        {
            "WATCH_NAMESPACES": "one, two,one,",
            "LEADER_ELECTION": "false",
            "POD_NAMESPACE": "ops",
            "LEASE_NAMESPACE": "leases",
            "LEASE_NAME": "mine",
            "POD_NAME": "operator-0",
            "DEFAULT_API_IMAGE": "api:1",
            "DEFAULT_POSTGRES_IMAGE": "pg:1",
            "METRICS_ADDR": "127.0.0.1:9090",
            "HEALTH_ADDR": "[::1]:9091",
            "LOG_LEVEL": "DEBUG",
            "LOG_FORMAT": "text",
            "RESYNC_SECONDS": "60",
            "WORKERS": "2",
            "WATCH_SERVER_TIMEOUT": "5",
            "WATCH_STALL_SECONDS": "12.5",
            "API_QPS": "10",
            "API_URL": "http://127.0.0.1:1/{namespace}/{name}/",
        }
    )
    assert settings.identity.startswith("operator-0_")
    assert settings == Settings(
        watch_namespaces=("one", "two"),
        leader_election=False,
        operator_namespace="ops",
        lease_namespace="leases",
        lease_name="mine",
        identity=settings.identity,
        default_api_image="api:1",
        default_postgres_image="pg:1",
        metrics_addr=Address("127.0.0.1", 9090),
        health_addr=Address("::1", 9091),
        log_level="debug",
        log_format="text",
        resync_seconds=60.0,
        workers=2,
        watch_server_timeout=5,
        watch_stall_seconds=12.5,
        api_qps=10.0,
        api_url="http://127.0.0.1:1/{namespace}/{name}",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WATCH_NAMESPACES", "Not A Name"),
        ("LEADER_ELECTION", "perhaps"),
        ("METRICS_ADDR", "8080"),
        ("METRICS_ADDR", ":port"),
        ("HEALTH_ADDR", "host:70000"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("RESYNC_SECONDS", "soon"),
        ("RESYNC_SECONDS", "1"),
        ("RESYNC_SECONDS", "nan"),
        ("WORKERS", "0"),
        ("WORKERS", "1000"),
        ("WATCH_SERVER_TIMEOUT", "1"),
        ("API_QPS", "-1"),
        ("API_URL", "http://{host}"),
        ("API_URL", "http://{"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_that_names_the_variable(
    name: str, value: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: value})
    text = str(caught.value)
    assert text.startswith(f"{name}:")
    assert "\n" not in text


def test_a_wrong_namespace_on_the_command_line_names_the_option() -> None:
    with pytest.raises(SettingsError, match=r"^--namespace: "):
        namespace_list("--namespace", ["ok", "a,b"])
