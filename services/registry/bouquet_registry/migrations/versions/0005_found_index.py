"""Moves the people named by an answer into the answer's record, and creates an index of these people."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

AT_ONCE = 10_000

# The tables as they are at these revisions: a later one may add columns.
JOURNAL = sa.table("journal", sa.column("number", sa.BigInteger), sa.column("found", sa.LargeBinary))
FORMER = sa.table(
    "journal_found",
    sa.column("number", sa.BigInteger),
    sa.column("position", sa.Integer),
    sa.column("person", sa.LargeBinary),
)
INDEX = sa.table("journal_found_new", sa.column("number", sa.BigInteger), sa.column("prefix", sa.BigInteger))


def upgrade() -> None:
    op.add_column("journal", sa.Column("found", sa.LargeBinary, nullable=False, server_default=""))
    op.create_table(
        "journal_found_new",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("prefix", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    for people in _found(connection):
        move = sa.update(JOURNAL).where(JOURNAL.c.number == sa.bindparam("of")).values(found=sa.bindparam("people"))
        connection.execute(move, [{"of": number, "people": b"".join(named)} for number, named in people.items()])
        prefixes = ((number, prefix) for number, named in people.items() for prefix in set(map(_prefix_of, named)))
        connection.execute(sa.insert(INDEX), [{"number": number, "prefix": prefix} for number, prefix in prefixes])
    rights = tuple(_rights(connection))
    op.drop_table("journal_found")
    op.rename_table("journal_found_new", "journal_found")
    op.create_index("journal_found_prefix", "journal_found", ["prefix", "number"])
    for right in rights:
        op.execute(right)


def _rights(connection: sa.Connection) -> Iterator[str]:
    """Yields a GRANT statement for each right that a role other than the owner has on the table `journal_found`.
    PostgreSQL removes these rights when the migration drops the table."""
    if connection.dialect.name != "postgresql":
        return
    query = sa.text(
        "SELECT privilege_type, quote_ident(grantee) AS role FROM information_schema.role_table_grants "
        "WHERE table_schema = current_schema() AND table_name = 'journal_found' AND grantee <> current_user"
    )
    for right in connection.execute(query):
        yield f"GRANT {right.privilege_type} ON journal_found TO {right.role}"


def _prefix_of(pseudonym: bytes) -> int:
    return int(pseudonym.hex()[:15], 16)


def _found(connection: sa.Connection) -> Iterator[dict[int, list[bytes]]]:
    """Yields the content of the former table in dicts of at most `AT_ONCE` records. Each maps the number of a record to
    the pseudonyms of the people whom its answer names."""
    after = 0
    while True:
        last = connection.scalar(
            sa.select(sa.func.max(sa.column("number"))).select_from(
                sa.select(FORMER.c.number)
                .where(FORMER.c.number > after)
                .distinct()
                .order_by(FORMER.c.number)
                .limit(AT_ONCE)
                .subquery()
            )
        )
        if last is None:
            return
        rows = sa.select(FORMER).where(FORMER.c.number.between(after + 1, last))
        people: dict[int, list[bytes]] = {}
        for row in connection.execute(rows.order_by(FORMER.c.number, FORMER.c.position)):
            people.setdefault(row.number, []).append(row.person)
        yield people
        after = last


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
