from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicelayer_api import settings_checks, settings_loader
from servicelayer_api.settings import Address, Secret, Settings, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

# The deployment guide's own lists: "Required Variables", "Optional Variables", "Logging".
GUIDE = (
    *("DATABASE_URL", "API_TOKENS", "AUTH_USERS", "AUTH_JWT_SECRET", "SECRET_ENCRYPTION_KEY"),
    *("LISTEN_ADDR", "RANDOM_SIGNING_KEY", "ORACLE_TTL_SECONDS", "ORACLE_MAX_ATTEMPTS"),
    *("ORACLE_DLQ_ENABLED", "ORACLE_RUNNER_TOKENS", "GASBANK_RESOLVER_URL"),
    *("GASBANK_RESOLVER_KEY", "GASBANK_POLL_INTERVAL", "GASBANK_MAX_ATTEMPTS"),
    *("PRICEFEED_FETCH_URL", "PRICEFEED_FETCH_KEY", "DATAFEEDS_AGGREGATION", "NEO_RPC_URL"),
    *("NEO_SNAPSHOT_DIR", "NEO_STABLE_BUFFER", "MODULE_SLOW_MS", "AUDIT_LOG_PATH"),
    *("ROCKETMQ_NAMESERVER", "ROCKETMQ_TOPIC_PREFIX", "ROCKETMQ_CONSUMER_GROUP", "LOG_FORMAT"),
    "LOG_LEVEL",
)
GOOD = {
    "DATABASE_URL": "postgres://u:p@h:5432/d",
    "API_TOKENS": "one-good-token",
    "SECRET_ENCRYPTION_KEY": "ab" * 32,
    "CONFIG_FILE": "/dev/null",
}


def _load(**changes: str) -> Settings:
    return settings_loader.load({**GOOD, **changes})


def test_every_variable_of_the_guide_is_a_setting() -> None:
    assert sorted(set(GUIDE) - {field.variable for field in settings_loader.fields()}) == []


def test_every_setting_says_what_it_is() -> None:
    assert [field.variable for field in settings_loader.fields() if not field.description] == []


def test_the_defaults_are_those_of_the_struct() -> None:
    assert settings_loader.load({"CONFIG_FILE": "/dev/null"}) == Settings()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8080", Address("", 8080)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::1]:80", Address("::1", 80)),
    ],
)
def test_an_address_is_read_as_go_writes_it(text: str, address: Address) -> None:
    assert _load(LISTEN_ADDR=text).listen_addr == address


@pytest.mark.parametrize("text", ["8080", "a:b", ":70000", "::1:80", "host:"])
def test_a_malformed_address_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"LISTEN_ADDR: .*write host:port"):
        _load(LISTEN_ADDR=text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15s", 15), ("1h30m", 5400), ("250ms", 0.25), ("2.5s", 2.5), ("90", 90), ("1m", 60)],
)
def test_a_duration_is_read_as_go_writes_it(text: str, seconds: float) -> None:
    assert _load(GASBANK_POLL_INTERVAL=text).gasbank_poll_interval == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["soon", "15 s", "s", "-5s", "0", "nan", "1s!", "1d"])
def test_a_malformed_duration_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="GASBANK_POLL_INTERVAL"):
        _load(GASBANK_POLL_INTERVAL=text)


@given(st.integers(1, 99), st.integers(0, 59), st.integers(0, 59))
def test_the_parts_of_a_duration_add_up(hours: int, minutes: int, seconds: int) -> None:
    read = _load(AUTH_TOKEN_TTL=f"{hours}h{minutes}m{seconds}s").auth_token_ttl

    assert read == hours * 3600 + minutes * 60 + seconds


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LOG_LEVEL", "loud"),
        ("ORACLE_DLQ_ENABLED", "maybe"),
        ("DATABASE_POOL_SIZE", "0"),
        ("DATABASE_POOL_SIZE", "many"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,nonsense"),
        ("DATAFEEDS_AGGREGATION", "guess"),
        ("SHUTDOWN_GRACE_SECONDS", "nan"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: "):
        _load(**{name: text})


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")

    settings = settings_loader.load(
        {"API_TOKENS_FILE": str(tmp_path / "token"), "CONFIG_FILE": "/dev/null"}
    )

    assert settings.api_tokens == Secret("from-a-file")


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="API_TOKENS and API_TOKENS_FILE"):
        _load(API_TOKENS_FILE=str(tmp_path / "token"))


def test_a_missing_secret_file_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="AUTH_JWT_SECRET_FILE: the file /no/where"):
        _load(AUTH_JWT_SECRET_FILE="/no/where")


def test_every_secret_can_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "value").write_text("x" * 40)
    secrets = [field for field in settings_loader.fields() if field.secret]

    for field in secrets:
        env = {"CONFIG_FILE": "/dev/null", f"{field.variable}_FILE": str(tmp_path / "value")}
        assert getattr(settings_loader.load(env), field.name) == Secret("x" * 40)
    assert {"DATABASE_URL", "SECRET_ENCRYPTION_KEY_PREVIOUS"} <= {f.variable for f in secrets}


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "log_level: debug\noracle:\n  ttl_seconds: 300\n"
        "cors_allowed_origins: [a, b]\nmigrate: false\n"
    )

    settings = settings_loader.load({"CONFIG_FILE": str(file), "LOG_LEVEL": "error"})

    assert (settings.log_level, settings.oracle_ttl_seconds) == ("error", 300)
    assert (settings.cors_allowed_origins, settings.migrate) == (("a", "b"), False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense: 1", "nonsense: there is no such setting"),
        ("oracle:\n  ttl: 1", "oracle.ttl: there is no such setting"),
        ("log_level: loud", "log_level: 'loud' is unknown"),
        ("- 1", "must hold a mapping"),
        ("a: [", "not valid YAML at line"),
        ("neo: !!python/object:os.system x", "not valid YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_path(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)

    with pytest.raises(SettingsError) as caught:
        settings_loader.load({"CONFIG_FILE": str(file)})

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_named_file_that_is_missing_is_refused() -> None:
    with pytest.raises(SettingsError, match="CONFIG_FILE: the file /no/file cannot be read"):
        settings_loader.load({"CONFIG_FILE": "/no/file"})


def test_secrets_do_not_show_themselves() -> None:
    settings = _load(AUTH_JWT_SECRET="j" * 32)

    assert "one-good-token" not in repr(settings)
    assert "j" * 32 not in f"{settings} {settings.auth_jwt_secret}"
    assert settings.secrets()[0] == "ab" * 32


def test_good_settings_may_serve() -> None:
    settings_checks.check_serve(_load())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgres://h"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgres://u:p@h/d?sslmode=no"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgres://u:p@h:port/d"}, "DATABASE_URL"),
        ({"API_TOKENS": ""}, "API_TOKENS"),
        ({"API_TOKENS": "good-one,changeme"}, "API_TOKENS"),
        ({"API_TOKENS": "your-secure-token"}, "API_TOKENS"),
        ({"API_TOKENS": "<random-secure-token-1>"}, "API_TOKENS"),
        ({"API_TOKENS": "q7x"}, "API_TOKENS: token 1"),
        ({"API_TOKENS": "one-good-token,,zzzzzzzzzzzzzzzzzzzz"}, "API_TOKENS: token 2"),
        ({"ORACLE_RUNNER_TOKENS": "one-good-runner; q7x"}, "ORACLE_RUNNER_TOKENS: token 2"),
        ({"PUBLIC_URL": "shop.example.com"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "https://shop.example.com/x"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "https://api.example.com\nWallet: x"}, "PUBLIC_URL"),
        ({"ORACLE_RUNNER_TOKENS": "dev-token"}, "ORACLE_RUNNER_TOKENS"),
        ({"AUTH_USERS": "a:b:admin"}, "AUTH_JWT_SECRET"),
        ({"AUTH_JWT_SECRET": "z" * 31}, "AUTH_JWT_SECRET"),
        ({"SECRET_ENCRYPTION_KEY": ""}, "SECRET_ENCRYPTION_KEY"),
        ({"SECRET_ENCRYPTION_KEY": "ab" * 31}, "SECRET_ENCRYPTION_KEY"),
        ({"RANDOM_SIGNING_KEY": "AAAA"}, "RANDOM_SIGNING_KEY"),
    ],
)
def test_settings_that_guard_nothing_are_refused_without_repeating_them(
    changes: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{named}") as caught:
        settings_checks.check_serve(_load(**changes))

    repeated = [value for value in changes.values() if value and value in str(caught.value)]
    assert repeated == []


@pytest.mark.parametrize("url", ["https://api.example.com", "http://[::1]:8080", "http://10.0.0.1"])
def test_a_public_address_is_an_origin(url: str) -> None:
    settings_checks.check_serve(_load(PUBLIC_URL=url))


def test_short_tokens_are_told_by_their_place_and_not_shown() -> None:
    settings = _load(
        API_TOKENS=f"one-good-token,{'0123456789abcdef' * 2}", ORACLE_RUNNER_TOKENS="runner-tok"
    )

    told = list(settings_checks.find_short_tokens(settings))
    assert [line.partition(" is")[0] for line in told] == [
        "API_TOKENS: token 1",
        "ORACLE_RUNNER_TOKENS: token 1",
    ]
    assert "good" not in "".join(told)


@pytest.mark.parametrize(
    "key", ["ab" * 32, "0123456789abcdef0123456789abcdef", "q" * 42 + "w=", "q" * 42 + "w"]
)
def test_an_encryption_key_is_taken_in_each_usual_form(key: str) -> None:
    settings_checks.check_serve(_load(SECRET_ENCRYPTION_KEY=key))


@pytest.mark.parametrize(
    ("variable", "unit"),
    [
        ("ORACLE_TTL_SECONDS", " of seconds"),
        ("MODULE_SLOW_MS", " of milliseconds"),
        ("ORACLE_RETENTION_DAYS", " of days"),
        ("MAX_BODY_BYTES", " of bytes"),
        ("AUTH_MAX_FAILURES", ""),
    ],
)
def test_a_refused_number_is_told_in_its_unit(variable: str, unit: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable}: '24h' is not a whole number{unit}$"):
        _load(**{variable: "24h"})
