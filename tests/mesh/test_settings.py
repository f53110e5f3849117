from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from bouquet_mesh.http.accept import convert_listen_errors
from bouquet_mesh.secret import Secret
from bouquet_mesh.server_url import ServerUrl, address_of, each_server
from bouquet_mesh.settings import MeshSettings, Port, Reader, SettingsError, load, read_all, read_mesh
from bouquet_mesh.tls.context import verified_url
from tests.support.tls import certificate_files


class Settings(Struct, frozen=True, kw_only=True):
    base_url: str
    client_secret: Secret
    timeout_s: float = 4.0
    concurrency: Annotated[int, Meta(ge=1)] = 16
    calls: Annotated[int, Meta(ge=0, le=90)] = 0
    retries: int = 1
    verify: bool = True
    mode: Literal["fast", "slow"] = "fast"
    hosts: tuple[str, ...] = ()
    proxy: str | None = None
    spare_secret: Secret | None = None


NEEDED = {"X_BASE_URL": "https://caf.example", "X_CLIENT_SECRET": "hunter2"}


def load_mesh(environ: dict[str, str]) -> MeshSettings:
    return read_all(environ, read_mesh)


def problems_of(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(Settings, environ, "X_")
    return caught.value.problems


def test_a_setting_that_is_not_given_has_its_default() -> None:
    settings = load(Settings, NEEDED, "X_")
    assert settings.base_url == "https://caf.example"
    assert settings.client_secret.reveal() == "hunter2"
    assert (settings.timeout_s, settings.concurrency, settings.hosts, settings.proxy) == (4.0, 16, (), None)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("timeout_s", "2.5", 2.5),
        ("timeout_s", "2", 2.0),
        ("concurrency", "8", 8),
        ("verify", "false", False),
        ("verify", "0", False),
        ("mode", "slow", "slow"),
        ("hosts", "a, b,,c", ("a", "b", "c")),
        ("hosts", "", ()),
        ("proxy", "http://proxy", "http://proxy"),
    ],
)
def test_a_settings_text_is_converted_to_the_type_of_its_field(name: str, text: str, value: object) -> None:
    assert getattr(load(Settings, NEEDED | {f"X_{name.upper()}": text}, "X_"), name) == value


def test_an_optional_secret_setting_is_a_secret() -> None:
    spare = load(Settings, NEEDED | {"X_SPARE_SECRET": "swordfish"}, "X_").spare_secret
    assert spare is not None
    assert spare.reveal() == "swordfish"


@pytest.mark.parametrize(
    ("variable", "text", "problem"),
    [
        ("X_TIMEOUT_S", "soon", "X_TIMEOUT_S: must be a number"),
        ("X_TIMEOUT_S", "nan", "X_TIMEOUT_S: must be a number"),
        ("X_RETRIES", "1.5", "X_RETRIES: must be a whole number"),
        ("X_RETRIES", "", "X_RETRIES: must be a whole number"),
        ("X_CONCURRENCY", "0", "X_CONCURRENCY: must be a whole number, at least 1"),
        ("X_CALLS", "91", "X_CALLS: must be a whole number, at least 0, at most 90"),
        ("X_VERIFY", "maybe", "X_VERIFY: must be true or false"),
        ("X_MODE", "warp", "X_MODE: must be one of fast, slow"),
        ("X_BASE_URL", "", "X_BASE_URL: is required"),
        ("X_CLIENT_SECRET", "", "X_CLIENT_SECRET: is required"),
        ("X_TIMEOUT", "4", "X_TIMEOUT: unknown setting; is it X_TIMEOUT_S?"),
    ],
)
def test_a_wrong_variable_is_reported_by_its_name(variable: str, text: str, problem: str) -> None:
    assert problems_of(NEEDED | {variable: text}) == [problem]


def test_all_problems_of_settings_are_reported_at_once() -> None:
    assert problems_of({"X_TIMEOUT_S": "soon", "X_COLOUR": "red"}) == [
        "X_BASE_URL: is required",
        "X_CLIENT_SECRET: is required",
        "X_TIMEOUT_S: must be a number",
        "X_COLOUR: unknown setting",
    ]


def test_no_value_of_a_setting_is_reported() -> None:
    wrong = {f"X_{name.upper()}": "hunter2" for name in Settings.__struct_fields__} | {"X_COLOUR": "hunter2"}
    assert "hunter2" not in "\n".join(problems_of(wrong))


def test_variables_with_another_prefix_are_ignored() -> None:
    load(Settings, NEEDED | {"Y_COLOUR": "red", "PATH": "/bin"}, "X_")


def test_the_mesh_ignores_other_variables_with_its_prefix() -> None:
    others = ("CNAF_TIMEOUT_S", "A_PROVIDER_FROM_ELSEWHERE_URL", "GATEWAY_PORT", "WORKER_HEALTH_PORT")
    environ = {f"BOUQUET_{name}": "4" for name in others} | {"BOUQUET_LOG_LEVEL": "DEBUG"}
    assert load_mesh(environ).log_level == "DEBUG"


def test_the_default_bus_is_in_memory() -> None:
    assert load_mesh({}).bus_url.reveal() == "memory:"


@pytest.mark.parametrize(
    ("variable", "problem"),
    [
        ("BOUQUET_BUS_URI", "unknown setting; is it BOUQUET_BUS_URL?"),
        ("BOUQUET_LOG_LEVELS", "unknown setting; is it BOUQUET_LOG_LEVEL?"),
        ("BOUQUET_LOG_FORMAT", "unknown setting"),
    ],
)
def test_a_misspelt_variable_of_the_mesh_is_reported(variable: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_mesh({variable: "hunter2"})
    assert caught.value.problems == [f"{variable}: {problem}"]


class Servers(Struct, frozen=True):
    store_url: Annotated[Secret, ServerUrl(("redis",), "memory:")] = Secret("memory:")
    notices_url: Annotated[str, ServerUrl(("smtp", "http"), "")] = ""


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("X_STORE_URL", "memory:"),
        ("X_STORE_URL", "redis://store"),
        ("X_STORE_URL", "rediss://user:p%40ss@store.example:6380/0?ssl_ca_certs=/ca.pem"),
        ("X_STORE_URL", "redis://[::1]:6379/0"),
        ("X_NOTICES_URL", ""),
        ("X_NOTICES_URL", "smtps://mail.example:465"),
        ("X_NOTICES_URL", "https://bücher.example/hook?next=https://other.example/a,b"),
    ],
)
def test_a_setting_accepts_the_url_of_one_server(variable: str, url: str) -> None:
    settings = load(Servers, {variable: url}, "X_")
    assert url in (settings.store_url.reveal(), settings.notices_url)


ONE_SERVER = "must name one server, as host or host:port"


@pytest.mark.parametrize(
    ("variable", "url", "fault"),
    [
        ("X_STORE_URL", "", "must be memory: or redis(s)://…"),
        ("X_STORE_URL", "localhost", "must be memory: or redis(s)://…"),
        ("X_STORE_URL", "redis:store", "must be memory: or redis(s)://…"),
        ("X_STORE_URL", "amqp://store", "must be memory: or redis(s)://…"),
        ("X_NOTICES_URL", "mailto:x@example.org", "must be smtp(s)://… or http(s)://…"),
        ("X_STORE_URL", "redis://", ONE_SERVER),
        ("X_STORE_URL", "redis://:6379/0", ONE_SERVER),
        ("X_STORE_URL", "redis://a:6379,b:6379/0", ONE_SERVER),
        ("X_STORE_URL", "redis://a,b/0", ONE_SERVER),
        ("X_STORE_URL", "redis://a/0,redis://b/0", ONE_SERVER),
        ("X_STORE_URL", "redis://a/0 redis://b/0", ONE_SERVER),
        ("X_STORE_URL", "redis://store:port/0", ONE_SERVER),
        ("X_STORE_URL", "redis://store:65536/0", ONE_SERVER),
        ("X_STORE_URL", "redis://user:p/ss@store/0", ONE_SERVER),
        ("X_STORE_URL", "redis://[::1", ONE_SERVER),
        ("X_STORE_URL", "redis://two words/0", ONE_SERVER),
        ("X_STORE_URL", f"redis://{64 * 'a'}/0", ONE_SERVER),
    ],
)
def test_a_setting_for_one_server_refuses_any_other_url(variable: str, url: str, fault: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(Servers, {variable: url}, "X_")
    assert caught.value.problems == [f"{variable}: {fault}"]


SERVERS = "must name servers as host or host:port, with a comma between two of them"


@pytest.mark.parametrize(
    ("hosts", "fault"),
    [
        ("a:5671,,b:5671", "has an empty host"),
        ("a:5671,", "has an empty host"),
        (",a", "has an empty host"),
        (":5671,b:5671", "has an empty host"),
        ("a:5671,b:5671,a:5671", "names a server twice"),
        ("a,b,A:5671", "names a server twice"),
        ("a:port,b", SERVERS),
        ("a, b", SERVERS),
        ("a:5671,b:65536", SERVERS),
    ],
)
def test_nodes_of_a_broker_that_cannot_be_told_apart_are_a_wrong_setting(hosts: str, fault: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_mesh({"BOUQUET_BUS_URL": f"amqps://user:hunter2@{hosts}/mesh?cafile=ca.pem"})
    assert caught.value.problems == [f"BOUQUET_BUS_URL: {fault}"]


def test_each_node_of_a_broker_has_the_same_user_vhost_and_files() -> None:
    hosts = ("a:5671", "b.example", "[::1]:5673")
    before, after = "amqps://us,er:p%40s,s@", "/mesh?cafile=a,b.pem&heartbeat=5"
    url = f"{before}{','.join(hosts)}{after}"
    assert load_mesh({"BOUQUET_BUS_URL": url}).bus_url.reveal() == url
    assert each_server(url) == tuple(f"{before}{host}{after}" for host in hosts)
    assert [address_of(server) for server in each_server(url)] == ["a:5671", "b.example:5671", "::1:5673"]


def test_a_bus_of_two_urls_is_refused_beside_what_else_is_wrong() -> None:
    with pytest.raises(SettingsError) as caught:
        load_mesh({"BOUQUET_BUS_URL": "amqp://a/v,amqp://u:p@b:1/v", "BOUQUET_LOG_LEVEL": "LOUD"})
    assert caught.value.problems == [
        f"BOUQUET_BUS_URL: {SERVERS}",
        "BOUQUET_LOG_LEVEL: must be one of DEBUG, INFO, WARNING, ERROR",
    ]


@pytest.mark.parametrize("variable", ["BOUQUET_VERSION", "BOUQUET_GATWAY_PORT", "BOUQUET_BUST_URL", "BOUQUET_BLOG_KEY"])
def test_an_unrelated_variable_is_ignored(variable: str) -> None:
    load_mesh({variable: "3"})


@pytest.mark.parametrize("url", ["localhost", "localhost:5672", "redis://broker", "amqp:/broker"])
def test_a_bus_url_that_is_neither_memory_nor_a_broker_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_mesh({"BOUQUET_BUS_URL": url})
    assert caught.value.problems == ["BOUQUET_BUS_URL: must be memory: or amqp(s)://…"]


@pytest.mark.parametrize("url", ["memory:", "amqp://broker", "amqps://user:secret@broker:5671/mesh?cafile=ca.pem"])
def test_a_bus_url_is_recognised_as_memory_or_a_broker(url: str) -> None:
    assert load_mesh({"BOUQUET_BUS_URL": url}).bus_url.reveal() == url


# Several structs, checked whole


class Range(Struct, frozen=True, kw_only=True):
    low: int
    high: int = 9
    step: int = 1

    @property
    def is_empty(self) -> bool:
        return self.low > self.high


def order(settings: Range) -> None:
    if settings.is_empty:
        raise SettingsError(["X_LOW: must not be above X_HIGH"])


def positive(settings: Range) -> None:
    if settings.step < 1:
        raise SettingsError(["X_STEP: must be 1 or more"])


def problems_of_range(environ: dict[str, str]) -> list[str]:
    reader = Reader(environ)
    reader.read(Range, "X_", order, positive)
    return reader.problems


def test_every_failed_check_of_settings_is_reported() -> None:
    environ = {"X_LOW": "10", "X_STEP": "0"}
    assert problems_of_range(environ) == ["X_LOW: must not be above X_HIGH", "X_STEP: must be 1 or more"]


@pytest.mark.parametrize("low", [{"X_LOW": "few"}, {}])
def test_a_check_that_needs_an_unread_setting_is_skipped_and_the_others_run(low: dict[str, str]) -> None:
    problems = problems_of_range({"X_STEP": "0"} | low)
    assert [problem.partition(":")[0] for problem in problems] == ["X_LOW", "X_STEP"]


def test_a_problem_that_two_checks_find_is_reported_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read_all({"X_LOW": "10"}, lambda reader: reader.read(Range, "X_", order, order))
    assert str(caught.value) == "X_LOW: must not be above X_HIGH"


def test_problems_of_several_settings_structs_are_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read_all({"X_LOW": "few", "Y_PORT": "70000"}, lambda reader: (reader.read(Range, "X_"), listens(reader)))
    assert caught.value.problems == ["X_LOW: must be a whole number", "Y_PORT: must be a port, 0 to 65535"]


def listens(reader: Reader) -> Listening:
    return reader.read(Listening, "Y_")


# Settings that have been removed


@pytest.mark.parametrize("variable", ["X_TURN_S", "X_TURN_S_FILE"])
def test_a_removed_setting_is_ignored_without_a_problem(variable: str) -> None:
    reader = Reader({variable: "hunter2", "X_LOW": "1"})
    settings = reader.read(Range, "X_", removed=("TURN_S",))
    reader.close()
    assert reader.without_effect == [variable]
    assert settings == Range(low=1)


def test_an_unknown_setting_beside_a_removed_one_is_a_problem() -> None:
    reader = Reader({"X_TURN": "1", "X_LOW": "1"})
    reader.read(Range, "X_", removed=("TURN_S",))
    assert reader.problems == ["X_TURN: unknown setting"]


LINKS = {
    "X_SERVICE_HOST": "10.96.3.4",
    "X_SERVICE_PORT": "80",
    "X_SERVICE_PORT_HTTP": "80",
    "X_PORT": "tcp://10.96.3.4:80",
    "X_PORT_80_TCP": "tcp://10.96.3.4:80",
    "X_PORT_80_TCP_PROTO": "tcp",
    "X_PORT_80_TCP_PORT": "80",
    "X_PORT_80_TCP_ADDR": "10.96.3.4",
}
"""Environment variables that Kubernetes sets in every pod for a Service called `x`."""


class Listening(Struct, frozen=True):
    port: Port = 8000


def test_variables_of_kubernetes_services_are_not_settings() -> None:
    assert load(Listening, LINKS, "X_").port == 8000
    assert load(Listening, LINKS | {"X_PORT": "9000"}, "X_").port == 9000
    load_mesh({f"BOUQUET_{name}": value for name, value in LINKS.items()})


def test_a_port_that_is_not_a_number_is_a_problem() -> None:
    with pytest.raises(SettingsError, match="X_PORT: must be a port, 0 to 65535"):
        load(Listening, {"X_PORT": "10.96.3.4:80"}, "X_")


def test_a_setting_can_be_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2\n")
    environ = {"X_BASE_URL": "https://caf.example", "X_CLIENT_SECRET_FILE": str(file)}
    assert load(Settings, environ, "X_").client_secret.reveal() == "hunter2"


def test_a_missing_settings_file_is_one_problem(tmp_path: Path) -> None:
    environ = NEEDED | {"X_TIMEOUT_S_FILE": str(tmp_path / "absent")}
    assert problems_of(environ) == ["X_TIMEOUT_S_FILE: cannot be read (No such file or directory)"]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\0b"])
def test_a_settings_file_that_is_not_text_is_a_problem(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "binary"
    file.write_bytes(content)
    assert problems_of(NEEDED | {"X_PROXY_FILE": str(file)}) == ["X_PROXY_FILE: does not lead to a text"]


def test_a_setting_given_as_text_and_as_file_is_a_problem(tmp_path: Path) -> None:
    environ = NEEDED | {"X_BASE_URL_FILE": str(tmp_path / "url")}
    assert problems_of(environ) == ["X_BASE_URL: is given twice, as itself and as X_BASE_URL_FILE"]


def test_a_secret_is_not_printed() -> None:
    settings = load(Settings, NEEDED, "X_")
    shown = f"{settings} {settings!r} {settings.client_secret} {settings.client_secret!r}"
    assert "hunter2" not in shown
    assert "Secret(***)" in shown


@pytest.mark.parametrize("port", [-1, 65_536, 99_999])
def test_a_port_above_65535_is_refused(port: int) -> None:
    with pytest.raises(SettingsError, match="ports end at 65535"), convert_listen_errors("127.0.0.1", port):
        pass


@pytest.mark.parametrize("hosts", ["a:5671,[::1]:5671", "[::1]:5671,a", "[::1],[::2]"])
def test_nodes_of_a_broker_with_ipv6_addresses_may_have_certificate_files(hosts: str, tmp_path: Path) -> None:
    # Releases of Python differ in what they take for an IPv6 address: no such list may reach `urlsplit` whole.
    url = Secret(f"amqps://user:secret@{hosts}/mesh?cafile={certificate_files(tmp_path).ca}")
    assert verified_url(url, "BOUQUET_BUS_URL") == url.reveal()
