-- Rights of the database role that writes the access journal (`bouquet-registry journal serve`): it adds records, and
-- can neither change nor remove one, nor say that records were pruned.
-- The owner of the tables runs it after each `bouquet-registry migrate`:
--   psql --set writer=bouquet_journal --file journal_writer.sql
GRANT SELECT ON alembic_version TO :"writer";
GRANT SELECT, INSERT ON journal, journal_found, journal_aside TO :"writer";
GRANT SELECT, UPDATE (number, hash) ON journal_head TO :"writer";
