/**
 * The tables of a replica. Rows are what Cloudflare bills, so a put touches few: one of `log`, one
 * of `kv`, one of `machine` (docs/architecture.md).
 */

export const schemaVersion = 4;

/** The tables that hold the state, and that a snapshot brings anew. */
export const stateTables = [
  "kv",
  "history",
  "leases",
  "uploads",
  "parts",
  "outcomes",
  "machine",
] as const;

export type StateTable = (typeof stateTables)[number];

const definitions: Readonly<Record<StateTable, string>> = {
  // The keys. Without a rowid a put is one billed row instead of two (measured; reference in
  // docs/architecture.md).
  kv: `(
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    content_type TEXT,
    create_revision INTEGER NOT NULL,
    mod_revision INTEGER NOT NULL,
    version INTEGER NOT NULL,
    metadata TEXT,
    expires_ms INTEGER,
    lease TEXT,
    large_upload TEXT,
    large_size INTEGER
  ) WITHOUT ROWID`,
  uploads: `(
    upload TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    parts INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    due_ms INTEGER
  ) WITHOUT ROWID`,
  parts: `(
    upload TEXT NOT NULL,
    part INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (upload, part)
  ) WITHOUT ROWID`,
  // Rows of keys that have been replaced, at which revision and when.
  history: `(
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    content_type TEXT,
    create_revision INTEGER NOT NULL,
    mod_revision INTEGER NOT NULL,
    version INTEGER NOT NULL,
    metadata TEXT,
    expires_ms INTEGER,
    lease TEXT,
    large_upload TEXT,
    large_size INTEGER,
    until_revision INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (key, mod_revision)
  ) WITHOUT ROWID`,
  leases: `(
    lease TEXT PRIMARY KEY,
    ttl_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
  ) WITHOUT ROWID`,
  // What became of requests that clients gave a name.
  outcomes: `(
    ordinal INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    bytes_before INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    result BLOB NOT NULL
  )`,
  // A row is one turn of applying: the state machine's counters after it, and what became of the
  // requests in it. The newest row is the state; older ones are kept for the request window, and for whoever
  // watches what changes.
  machine: `(
    applied_index INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL,
    records BLOB NOT NULL,
    now_ms INTEGER NOT NULL DEFAULT 0,
    changes BLOB,
    retention TEXT
  )`,
};

/** A put of a key that goes neither by itself nor with a lease touches no index. */
const indexes: readonly {
  readonly name: string;
  readonly table: StateTable;
  readonly on: string;
}[] = [
  { name: "due", table: "kv", on: "(expires_ms) WHERE expires_ms IS NOT NULL" },
  { name: "of_lease", table: "kv", on: "(lease) WHERE lease IS NOT NULL" },
  { name: "replaced", table: "history", on: "(until_revision)" },
  { name: "lease_due", table: "leases", on: "(expires_ms)" },
  { name: "upload_due", table: "uploads", on: "(due_ms) WHERE due_ms IS NOT NULL" },
  { name: "outcome_of", table: "outcomes", on: "(name, ordinal)" },
];

/** Creates the tables of a state that is to take the place of another, under names of their own. */
export function createState(sql: SqlStorage, nameOf: (table: StateTable) => string): void {
  for (const table of stateTables) {
    sql.exec(`CREATE TABLE ${nameOf(table)} ${definitions[table]}`);
  }
  for (const { name, table, on } of indexes) {
    sql.exec(`CREATE INDEX ${freeName(sql, name)} ON ${nameOf(table)} ${on}`);
  }
}

/** Indexes keep their names when their table is renamed, so those of the next one need others. */
function freeName(sql: SqlStorage, name: string): string {
  const isTaken = sql.exec("SELECT 1 FROM sqlite_master WHERE name = ?", `${name}_1`).toArray();
  return isTaken.length > 0 ? `${name}_2` : `${name}_1`;
}

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
    `CREATE TABLE machine (
      applied_index INTEGER PRIMARY KEY,
      revision INTEGER NOT NULL,
      sequence INTEGER NOT NULL,
      hash TEXT NOT NULL,
      records BLOB NOT NULL
    )`,
    `CREATE TABLE kv (
      key TEXT PRIMARY KEY,
      value BLOB NOT NULL,
      content_type TEXT,
      create_revision INTEGER NOT NULL,
      mod_revision INTEGER NOT NULL,
      version INTEGER NOT NULL
    ) WITHOUT ROWID`,
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
  [
    // What else is kept of a value, and when it goes.
    ...["kv", "kv_before"].flatMap((table) =>
      [
        "metadata TEXT",
        "expires_ms INTEGER",
        "lease TEXT",
        "large_upload TEXT",
        "large_size INTEGER",
      ].map((column) => `ALTER TABLE ${table} ADD COLUMN ${column}`),
    ),
    "CREATE INDEX due_1 ON kv (expires_ms) WHERE expires_ms IS NOT NULL",
    "CREATE INDEX of_lease_1 ON kv (lease) WHERE lease IS NOT NULL",
    "ALTER TABLE machine ADD COLUMN now_ms INTEGER NOT NULL DEFAULT 0",
    // What the turn changed; null where that is not known, or too much to keep.
    "ALTER TABLE machine ADD COLUMN changes BLOB",
    // What is kept of what is replaced, as JSON.
    "ALTER TABLE machine ADD COLUMN retention TEXT",
    `CREATE TABLE history (
      key TEXT NOT NULL,
      value BLOB NOT NULL,
      content_type TEXT,
      create_revision INTEGER NOT NULL,
      mod_revision INTEGER NOT NULL,
      version INTEGER NOT NULL,
      metadata TEXT,
      expires_ms INTEGER,
      lease TEXT,
      large_upload TEXT,
      large_size INTEGER,
      until_revision INTEGER NOT NULL,
      until_ms INTEGER NOT NULL,
      PRIMARY KEY (key, mod_revision)
    ) WITHOUT ROWID`,
    "CREATE INDEX replaced_1 ON history (until_revision)",
    `CREATE TABLE leases (
      lease TEXT PRIMARY KEY,
      ttl_ms INTEGER NOT NULL,
      expires_ms INTEGER NOT NULL
    ) WITHOUT ROWID`,
    "CREATE INDEX lease_due_1 ON leases (expires_ms)",
    `CREATE TABLE uploads (
      upload TEXT PRIMARY KEY,
      state TEXT NOT NULL,
      parts INTEGER NOT NULL,
      bytes INTEGER NOT NULL,
      due_ms INTEGER
    ) WITHOUT ROWID`,
    "CREATE INDEX upload_due_1 ON uploads (due_ms) WHERE due_ms IS NOT NULL",
    `CREATE TABLE parts (
      upload TEXT NOT NULL,
      part INTEGER NOT NULL,
      data BLOB NOT NULL,
      PRIMARY KEY (upload, part)
    ) WITHOUT ROWID`,
    `CREATE TABLE outcomes (
      ordinal INTEGER PRIMARY KEY,
      name TEXT NOT NULL,
      fingerprint TEXT NOT NULL,
      bytes_before INTEGER NOT NULL,
      bytes INTEGER NOT NULL,
      expires_ms INTEGER NOT NULL,
      result BLOB NOT NULL
    )`,
    "CREATE INDEX outcome_of_1 ON outcomes (name, ordinal)",
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
