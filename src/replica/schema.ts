/**
 * The tables of a replica. Rows are what Cloudflare bills, so a put touches few: one of `log`, one
 * of `kv`, one of `machine` (docs/architecture.md).
 */

export const schemaVersion = 1;

const tables = [
  // What the object is: its schema's version and its group. Changes at founding and at migrations
  // only.
  `CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID`,

  // Raft's hard state, and where the log begins: the one row is rewritten at each election and at
  // each compaction.
  `CREATE TABLE raft (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    term INTEGER NOT NULL,
    vote TEXT,
    base_term INTEGER NOT NULL,
    base_index INTEGER NOT NULL
  )`,

  // A row is a segment: the entries of one batch, in MessagePack. The terms at its ends answer most
  // questions without decoding it.
  `CREATE TABLE log (
    first_index INTEGER PRIMARY KEY,
    last_index INTEGER NOT NULL,
    first_term INTEGER NOT NULL,
    last_term INTEGER NOT NULL,
    entries BLOB NOT NULL
  )`,

  // A row is one turn of applying: the state machine's counters after it, and what became of the
  // requests in it. The newest row is the state; older ones are kept for the request window.
  `CREATE TABLE machine (
    applied_index INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL,
    records BLOB NOT NULL
  )`,

  // The keys. Without a rowid a put is one billed row instead of two (measured; reference in
  // docs/architecture.md).
  `CREATE TABLE kv (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    content_type TEXT,
    create_revision INTEGER NOT NULL,
    mod_revision INTEGER NOT NULL,
    version INTEGER NOT NULL
  ) WITHOUT ROWID`,
];

/** Creates the tables in an object that has none; refuses to run on those of a newer version. */
export function migrate(sql: SqlStorage): void {
  const isNew =
    sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'").toArray()
      .length === 0;
  if (isNew) {
    for (const table of tables) sql.exec(table);
    sql.exec("INSERT INTO meta VALUES ('schema_version', ?)", String(schemaVersion));
    sql.exec("INSERT INTO raft VALUES (1, 0, NULL, 0, 0)");
    return;
  }
  const { value } = sql
    .exec<{ value: string }>("SELECT value FROM meta WHERE name = 'schema_version'")
    .one();
  if (value !== String(schemaVersion)) {
    throw new Error(`storage has schema version ${value}; this code knows ${schemaVersion}`);
  }
}
