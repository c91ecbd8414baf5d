/**
 * The tables of a replica. Rows are what Cloudflare bills, so a put touches few: one of `log`, one
 * of `kv`, one of `machine` (docs/architecture.md).
 */

export const schemaVersion = 3;

/**
 * A row is one turn of applying: the state machine's counters after it, and what became of the
 * requests in it. The newest row is the state; older ones are kept for the request window.
 */
export const createMachine = (table: string): string => `CREATE TABLE ${table} (
  applied_index INTEGER PRIMARY KEY,
  revision INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  hash TEXT NOT NULL,
  records BLOB NOT NULL
)`;

/**
 * The keys. Without a rowid a put is one billed row instead of two (measured; reference in
 * docs/architecture.md).
 */
export const createKv = (table: string): string => `CREATE TABLE ${table} (
  key TEXT PRIMARY KEY,
  value BLOB NOT NULL,
  content_type TEXT,
  create_revision INTEGER NOT NULL,
  mod_revision INTEGER NOT NULL,
  version INTEGER NOT NULL
) WITHOUT ROWID`;

/** What each version added to the one before. Never changed once it has been released. */
const versions: readonly (readonly string[])[] = [
  [
    // Raft's hard state, and where the log begins: the one row is rewritten at each election and at
    // each compaction.
    `CREATE TABLE raft (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      term INTEGER NOT NULL,
      vote TEXT,
      base_term INTEGER NOT NULL,
      base_index INTEGER NOT NULL
    )`,
    "INSERT INTO raft VALUES (1, 0, NULL, 0, 0)",

    // A row is a segment: the entries of one batch, in MessagePack. The terms at its ends answer most
    // questions without decoding it.
    `CREATE TABLE log (
      first_index INTEGER PRIMARY KEY,
      last_index INTEGER NOT NULL,
      first_term INTEGER NOT NULL,
      last_term INTEGER NOT NULL,
      entries BLOB NOT NULL
    )`,
    createMachine("machine"),
    createKv("kv"),
  ],
  [
    // A running count of the bytes of all segments before this one, so that the size of a log shows at
    // its ends. Segments of before count for nothing.
    "ALTER TABLE log ADD COLUMN bytes_before INTEGER NOT NULL DEFAULT 0",

    // Rows that a snapshot on its way out still shows, and that have been replaced meanwhile, at what
    // is to that snapshot this revision.
    `CREATE TABLE kv_before (
      key TEXT NOT NULL,
      value BLOB NOT NULL,
      content_type TEXT,
      create_revision INTEGER NOT NULL,
      mod_revision INTEGER NOT NULL,
      version INTEGER NOT NULL,
      until_revision INTEGER NOT NULL,
      PRIMARY KEY (key, mod_revision)
    ) WITHOUT ROWID`,
  ],
  [
    // Who belongs to the group: as of the log's base, and as each configuration in the log has it.
    `CREATE TABLE membership (log_index INTEGER PRIMARY KEY, configuration TEXT NOT NULL)`,
    // Groups of before had the members they were founded with.
    `INSERT INTO membership SELECT 0, json_object(
      'voters', json(json_extract(value, '$.members')),
      'outgoing', json('[]'),
      'learners', json('[]'),
      'epoch', 1,
      'nextId', 1 + (SELECT max(CAST(json_extract(member.value, '$.id') AS INTEGER))
                     FROM json_each(meta.value, '$.members') AS member)
    ) FROM meta WHERE name = 'group'`,
  ],
];

/**
 * Brings an object's tables to this code's version; refuses to run on those of a newer one. `meta` says
 * what the object is: its schema's version and its group.
 */
export function migrate(sql: SqlStorage): void {
  const isNew =
    sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'").toArray()
      .length === 0;
  if (isNew) {
    sql.exec("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID");
    sql.exec("INSERT INTO meta VALUES ('schema_version', '0')");
  }
  const { value } = sql
    .exec<{ value: string }>("SELECT value FROM meta WHERE name = 'schema_version'")
    .one();
  const version = Number(value);
  if (version > schemaVersion) {
    throw new Error(`storage has schema version ${value}; this code knows ${schemaVersion}`);
  }
  if (version === schemaVersion) return;
  for (const statement of versions.slice(version).flat()) sql.exec(statement);
  sql.exec("UPDATE meta SET value = ? WHERE name = 'schema_version'", String(schemaVersion));
}
