"""Tests that migrations create the tables, and that a database of another version is refused."""

from __future__ import annotations

import ast
import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import IntegrityError

from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_registry import migrating, schema
from bouquet_registry.clock import utc_now
from bouquet_registry.editors import queries
from bouquet_registry.journal.audit import prune, read_ends, verify
from bouquet_registry.journal.queries import who_read
from bouquet_registry.queries import habilitations
from bouquet_registry.store import Store, open_store, upgrade
from tests.registry.accesses import access, tamper, write
from tests.support.editors import EDITOR_SIRET
from tests.support.former_revisions import BACK_TO_REVISION_0005
from tests.support.habilitations import SIRET, create_habilitation

MIGRATIONS = sorted(Path(migrating.__file__).with_name("migrations").rglob("*.py"))
BYTES = {"sqlite": ("BLOB", "x'{}'"), "postgresql": ("BYTEA", "'\\x{}'")}
"""SQL type and literal of byte strings, by kind of database."""


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), schema.metadata))


async def test_the_migrations_create_the_tables_of_the_schema(store: Store) -> None:
    async with store.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrating_twice_changes_nothing(database: Secret) -> None:
    assert await upgrade(database) == await upgrade(database)


async def test_an_empty_sqlite_gets_its_tables_by_itself_even_from_several_at_once(tmp_path: Path) -> None:
    url = Secret(f"sqlite:///{tmp_path}/new.db")

    async def begin() -> None:
        async with open_store(url) as store:
            await create_habilitation(store)

    await asyncio.gather(*(begin() for _ in range(4)))


@pytest.mark.parametrize("name", ["new.db", "link.db"])
async def test_a_new_sqlite_file_is_readable_by_its_owner_only(name: str, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "new.db")
    async with open_store(Secret(f"sqlite:///{tmp_path}/{name}")) as store:
        await create_habilitation(store)
        modes = await asyncio.to_thread(modes_in, tmp_path)
    assert modes == dict.fromkeys(("new.db", "new.db-wal", "new.db-shm"), 0o600)


def modes_in(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir() if not file.is_symlink()}


@pytest.mark.broker
@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
async def test_an_empty_postgresql_is_not_migrated_on_start(empty_database: Secret) -> None:
    with pytest.raises(SettingsError, match="run bouquet-registry migrate"):
        async with open_store(empty_database):
            pass


async def test_tables_of_another_version_are_refused_and_unchanged(store: Store, database: Secret) -> None:
    async with store.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    with pytest.raises(SettingsError, match="run bouquet-registry migrate"):
        async with open_store(database):
            pass


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/name", "redis://host", "postgresql://host:port/name"])
async def test_another_database_is_refused_and_its_url_not_shown(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^BOUQUET_REGISTRY_DATABASE_URL: must be sqlite:///… or postgresql://…$"):
        async with open_store(Secret(url)):
            pass


@pytest.mark.parametrize("rest", ["/file:registry.db?uri=true", "/registry.db?nonsense=1", "host/registry.db"])
async def test_an_sqlite_url_has_nothing_but_the_path_of_its_file(rest: str) -> None:
    with pytest.raises(SettingsError, match=r"^BOUQUET_REGISTRY_DATABASE_URL: must be sqlite:///path, without"):
        await upgrade(Secret(f"sqlite://{rest}"))


@pytest.mark.parametrize(
    "rest",
    [
        "127.0.0.1:1/name?nonsense=1",
        "127.0.0.1/name?port=SECRET",
        "127.0.0.1/name?host=a,b&port=1",
        "127.0.0.1/name?plugin=SECRET",
        "127.0.0.1:65536/name",
        f"{64 * 'a'}/name",
    ],
)
async def test_a_url_that_the_driver_refuses_is_not_shown(rest: str) -> None:
    with pytest.raises(SettingsError, match=r"^BOUQUET_REGISTRY_DATABASE_URL: has a host or an option that"):
        await upgrade(Secret(f"postgresql://nobody:SECRET@{rest}"))


async def test_a_database_error_quotes_no_personal_data(store: Store) -> None:
    values = {"token": "KERVALLAN", "days": 7, "expires_at": utc_now()}
    with pytest.raises(IntegrityError) as caught:
        async with store.writing() as connection:
            await connection.execute(insert(schema.notices).values(values))
    assert "KERVALLAN" not in str(caught.value)


async def test_a_journal_that_a_former_version_pruned_gets_a_record_of_it(database: Secret) -> None:
    async with open_store(database) as store:
        await write(store, [access(n, at=n) for n in range(1, 6)])
        assert await prune(store, 3.5) == 3
        # As the former version left it: no record tells of the pruning.
        last = "(SELECT {} FROM journal WHERE number = 5)"
        await tamper(
            store,
            "DELETE FROM journal WHERE number = 6",
            f"UPDATE journal_head SET number = 5, hash = {last.format('hash')}",
            "ALTER TABLE journal DROP COLUMN pruned_to",
            "DROP INDEX ix_journal_request_id",
            "ALTER TABLE journal DROP COLUMN request_id",
            "DROP TABLE journal_found",
            "ALTER TABLE journal DROP COLUMN found",
            "ALTER TABLE journal_head DROP COLUMN pruning",
            *BACK_TO_REVISION_0005,
            "DROP TABLE acts",
            "UPDATE alembic_version SET version_num = '0002'",
        )
    await upgrade(database)
    async with open_store(database) as store:
        [told] = (await verify(store)).prunings
        assert told.access.pruned_to == str((await read_ends(store)).pruned)
        assert told.link.number == 6


async def test_people_found_stay_in_the_journal_of_a_former_version(engine: str, database: Secret) -> None:
    type_, literal = BYTES[engine]
    found = {n: tuple(f"{n}{position}".rjust(64, "a") for position in range(3)) for n in (2, 4)}
    async with open_store(database) as store:
        await write(store, [access(n, at=n, found=found.get(n, ())) for n in range(1, 6)])
        # As the former version kept them: in a table of their own alone.
        await tamper(
            store,
            "DROP TABLE journal_found",
            "ALTER TABLE journal DROP COLUMN found",
            f"CREATE TABLE journal_found (number BIGINT, position INTEGER, person {type_} NOT NULL)",
            *(
                f"INSERT INTO journal_found VALUES ({n}, {position}, {literal.format(person)})"
                for n, people in found.items()
                for position, person in enumerate(people)
            ),
            *BACK_TO_REVISION_0005,
            "UPDATE alembic_version SET version_num = '0004'",
        )
    await upgrade(database)
    async with open_store(database) as store:
        assert (await verify(store)).head.number == 5
        async with store.reading() as connection:
            assert [call["at"].timestamp() for call in await who_read(connection, {found[4][2]: ()})] == [4]


@pytest.mark.parametrize("file", MIGRATIONS, ids=[file.stem for file in MIGRATIONS])
def test_a_migration_imports_nothing_of_bouquet(file: Path) -> None:
    """Tests that migrations import none of Bouquet's code: later changes of this code must not change what a migration
    does."""
    imports = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not [text for node in imports if "bouquet" in (text := ast.unparse(node))]


async def test_delegations_that_habilitations_listed_become_delegations_to_editors(
    store: Store, database: Secret
) -> None:
    first, second = await create_habilitation(store), await create_habilitation(store)
    listed = (
        f'[{{"siret": "{EDITOR_SIRET}", "name": "Arpège"}}, {{"siret": "{SIRET}"}}]',
        f'[{{"siret": "{EDITOR_SIRET}", "name": "Arpège"}}, {{"siret": "{EDITOR_SIRET}", "name": "Arpège"}}]',
    )
    await tamper(store, *BACK_TO_REVISION_0005)
    for own, rows in zip((first, second), listed, strict=True):
        await tamper(store, f"UPDATE habilitations SET delegations = '{rows}' WHERE id = '{own.id}'")
    await upgrade(database)
    async with store.reading() as connection:
        assert await connection.run_sync(differences) == []
        editors = {editor.siret: editor for editor in await queries.editors(connection)}
        found = await queries.delegations(connection)
    assert {siret: editor.name for siret, editor in editors.items()} == {EDITOR_SIRET: "Arpège", SIRET: SIRET}
    assert {(one.editor, one.habilitation) for one in found} == {
        (editors[EDITOR_SIRET].id, first.id),
        (editors[EDITOR_SIRET].id, second.id),
        (editors[SIRET].id, first.id),
    }
    assert {one.created_by for one in found} == {"bouquet-registry migrate"}


async def test_habilitations_of_a_former_version_may_use_the_ine_and_new_ones_may_not(
    store: Store, database: Secret
) -> None:
    former = await create_habilitation(store)
    await tamper(store, *BACK_TO_REVISION_0005)
    await upgrade(database)
    new = await create_habilitation(store)
    async with store.reading() as connection:
        ine = {one.id: one.ine for one in await habilitations(connection)}
    assert ine == {former.id: True, new.id: False}


async def test_a_process_of_the_former_version_may_write_habilitations_after_the_migration(store: Store) -> None:
    columns = "id, siret, name, purpose, contacts, scopes, modalities, calls_per_minute, allowed_ips, delegations"
    rest = "state, version, created_at, updated_at"
    moment = "'2026-11-01 00:00:00'"
    values = f"'1', '{SIRET}', '', '', '[]', '[]', '[]', 0, '[]', '[]', 'active', 1, {moment}, {moment}"
    await tamper(store, f"INSERT INTO habilitations ({columns}, {rest}) VALUES ({values})")
    async with store.reading() as connection:
        [found] = await habilitations(connection)
    assert (found.calls_per_second, found.group_limits, found.ine) == (0, (), False)


def test_no_log_level_shows_the_parameters_of_statements(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from bouquet_mesh.observe.logs import configure_logs\n"
        "from bouquet_mesh.secret import Secret\n"
        "from bouquet_registry import transactions\n"
        "from bouquet_registry.acts import Author\n"
        "from bouquet_registry.store import open_store\n"
        "async def main():\n"
        "    configure_logs('tests', 'DEBUG')\n"
        "    async with open_store(Secret(sys.argv[1])) as store, transactions.begin(store, Author('a')) as change:\n"
        "        await change.create(siret='13002526500013', name='Quevyrolles')\n"
        "asyncio.run(main())\n"
    )
    url = f"sqlite:///{tmp_path}/registry.db"
    done = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, check=True)
    assert "Quevyrolles" not in done.stdout + done.stderr
