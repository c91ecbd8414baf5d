import { reset, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import { allKeys } from "../../src/kv/key-range.ts";
import { initialState } from "../../src/kv/state-machine.ts";
import { toBytes } from "../../src/protocol/codec.ts";
import { maxBatchBytes, maxKeyBytes, maxValueBytes } from "../../src/protocol/limits.ts";
import { type Entry, asIndex, asTerm } from "../../src/raft/types.ts";
import type { Persist } from "../../src/raft/io.ts";
import { windowSize } from "../../src/kv/request-window.ts";
import { stateTables } from "../../src/replica/schema.ts";
import { unpackChunk } from "../../src/replica/snapshot-chunk.ts";
import { DurableStorage } from "../../src/replica/storage.ts";
import { nothing } from "../support/persist.ts";
import { bare } from "../support/row.ts";
import { GroupUnderTest } from "./group-under-test.ts";
import { founding } from "../../src/raft/membership.ts";

afterEach(() => reset());

let objects = 0;

/** Works with the storage of an object that belongs to no group. */
function onDisk(work: (storage: DurableStorage, sql: SqlStorage) => void): Promise<void> {
  const stub = env.REPLICA.get(env.REPLICA.idFromName(`sql-${objects++}/1`));
  return runInDurableObject(stub, (_, state) =>
    work(new DurableStorage(state.storage), state.storage.sql),
  );
}

/** Entries from 1 on, with data of these sizes. */
const sized = (...sizes: number[]): Entry[] =>
  sizes.map((size, i) => ({
    index: asIndex(i + 1),
    term: asTerm(1),
    type: "command",
    data: new Uint8Array(size),
  }));

const appendOf = (entries: readonly Entry[]): Persist => ({ ...nothing, entries });

const counters = { ...initialState, revision: 1, sequence: 1, hash: "ab" };

/** The tables of version 1, with a little in them. */
const version1 = [
  "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
  `CREATE TABLE raft (id INTEGER PRIMARY KEY CHECK (id = 1), term INTEGER NOT NULL, vote TEXT,
    base_term INTEGER NOT NULL, base_index INTEGER NOT NULL)`,
  `CREATE TABLE log (first_index INTEGER PRIMARY KEY, last_index INTEGER NOT NULL,
    first_term INTEGER NOT NULL, last_term INTEGER NOT NULL, entries BLOB NOT NULL)`,
  `CREATE TABLE machine (applied_index INTEGER PRIMARY KEY, revision INTEGER NOT NULL,
    sequence INTEGER NOT NULL, hash TEXT NOT NULL, records BLOB NOT NULL)`,
  `CREATE TABLE kv (key TEXT PRIMARY KEY, value BLOB NOT NULL, content_type TEXT,
    create_revision INTEGER NOT NULL, mod_revision INTEGER NOT NULL, version INTEGER NOT NULL)
    WITHOUT ROWID`,
  "INSERT INTO meta VALUES ('schema_version', '1')",
  `INSERT INTO meta VALUES ('group', '{"namespace":"old","id":"1","members":[{"id":"1","region":"weur"},
    {"id":"2","region":"weur"},{"id":"3","region":"weur"}]}')`,
  "INSERT INTO raft VALUES (1, 4, '2', 0, 0)",
  "INSERT INTO machine VALUES (2, 1, 1, 'ab', x'90')",
  "INSERT INTO kv VALUES ('a', x'01', NULL, 1, 1, 1)",
];

/** The tables of version 3, with a little in them. */
const version3 = [
  ...version1.filter((statement) => !statement.startsWith("INSERT")),
  "ALTER TABLE log ADD COLUMN bytes_before INTEGER NOT NULL DEFAULT 0",
  `CREATE TABLE kv_before (key TEXT NOT NULL, value BLOB NOT NULL, content_type TEXT,
    create_revision INTEGER NOT NULL, mod_revision INTEGER NOT NULL, version INTEGER NOT NULL,
    until_revision INTEGER NOT NULL, PRIMARY KEY (key, mod_revision)) WITHOUT ROWID`,
  "CREATE TABLE membership (log_index INTEGER PRIMARY KEY, configuration TEXT NOT NULL)",
  "INSERT INTO meta VALUES ('schema_version', '3')",
  "INSERT INTO raft VALUES (1, 4, '2', 0, 0)",
  `INSERT INTO membership VALUES (0, '{"voters":[],"outgoing":[],"learners":[],"nextId":4,"epoch":1}')`,
  // The record of one put: see packed-record.ts.
  "INSERT INTO machine VALUES (2, 2, 1, 'ab', x'9195a1720100c301')",
  "INSERT INTO kv VALUES ('a', x'01', NULL, 1, 1, 1)",
  "INSERT INTO kv VALUES ('b', x'02', 'a/b', 1, 2, 2)",
  "INSERT INTO kv_before VALUES ('b', x'00', NULL, 1, 1, 1, 2)",
];

/** Makes an object as if it had never had a schema. */
function dropAll(sql: SqlStorage): void {
  const tables = ["meta", "raft", "log", "kv_before", "membership", ...stateTables];
  for (const table of tables) sql.exec(`DROP TABLE ${table}`);
}

/** Puts a state in its own place, as a snapshot of one chunk. */
function install(storage: DurableStorage, appliedIndex: number): void {
  const source = storage.openExport({ ...counters, appliedIndex });
  const chunk = { place: 0, data: source.read(0).data };
  source.close();
  const configuration = founding([{ id: "1", region: "weur" }]);
  const snapshot = { term: asTerm(1), index: asIndex(appliedIndex), configuration };
  storage.persist({ ...nothing, chunk, install: snapshot });
}

/** The indexes of a table, and what they are on. */
const indexesOf = (sql: SqlStorage, table: string): { name: string; on: string }[] =>
  sql
    .exec<{ name: string; sql: string }>(
      "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql NOT NULL ORDER BY name",
      table,
    )
    .toArray()
    .map(({ name, sql: statement }) => ({ name, on: statement.slice(statement.indexOf("(")) }));

const segments = (sql: SqlStorage): unknown[] => [
  ...sql.exec("SELECT first_index, last_index FROM log ORDER BY first_index").raw(),
];

/** How many rows the work writes: what Cloudflare bills. */
const rowsWritten = (sql: SqlStorage, work: () => void): number =>
  cursorsOf(sql, work).reduce((sum, cursor) => sum + cursor.rowsWritten, 0);

/** How many rows the work looks at. */
const rowsRead = (sql: SqlStorage, work: () => void): number =>
  cursorsOf(sql, work).reduce((sum, cursor) => sum + cursor.rowsRead, 0);

function cursorsOf(
  sql: SqlStorage,
  work: () => void,
): readonly SqlStorageCursor<Record<string, SqlStorageValue>>[] {
  const exec = sql.exec.bind(sql);
  const cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = [];
  sql.exec = (query: string, ...bindings: unknown[]) => {
    const cursor = exec(query, ...bindings);
    cursors.push(cursor);
    return cursor as never;
  };
  work();
  sql.exec = exec;
  return cursors;
}

describe("The log's rows", () => {
  const third = Math.floor(maxBatchBytes / 3);

  test.each([
    ["a batch", [1, 2, 3], [[1, 3]]],
    ["a batch that just fits", [third, third, third], [[1, 3]]],
    [
      "a batch that is a byte too large",
      [third, third, third, 2],
      [
        [1, 3],
        [4, 4],
      ],
    ],
    [
      "an entry that is too large alone",
      [1, 2 * maxBatchBytes, 1, 1],
      [
        [1, 1],
        [2, 2],
        [3, 4],
      ],
    ],
    [
      "three of the largest",
      Array(3).fill(maxBatchBytes),
      [
        [1, 1],
        [2, 2],
        [3, 3],
      ],
    ],
    ["entries without data", [0, 0, 0], [[1, 3]]],
  ])("are as few as fit: %s", async (_, sizes, expected) => {
    await onDisk((storage, sql) => {
      storage.persist(appendOf(sized(...sizes)));
      expect(segments(sql)).toEqual(expected);
    });
  });

  test("stay under the 2 MB that Cloudflare allows, with the largest entry a client can cause", async () => {
    await onDisk((storage, sql) => {
      const largest = maxValueBytes + 3 * maxKeyBytes + 1000;
      storage.persist(appendOf(sized(1000, largest, 1000)));
      const [size] = sql.exec("SELECT max(length(entries)) AS size FROM log").toArray();
      expect(size!["size"]).toBeLessThan(2_000_000);
    });
  });

  test("a cut in the middle of one leaves its first part, and no row beyond", async () => {
    await onDisk((storage, sql) => {
      storage.persist(appendOf(sized(1, 2, 3, 4)));
      const rest = sized(0, 0, 0, 0, 5, 6).slice(4);
      storage.persist(appendOf(rest));
      storage.persist({ ...appendOf([]), truncateFrom: asIndex(3) });
      expect(segments(sql)).toEqual([[1, 2]]);
      storage.persist({ ...appendOf([]), truncateFrom: asIndex(1) });
      expect(segments(sql)).toEqual([]);
    });
  });
});

describe("What is billed", () => {
  const row = {
    value: new Uint8Array(10),
    contentType: null,
    ...bare,
    createRevision: 1,
    modRevision: 1,
    version: 1,
  };

  test("a put is three rows: of the log, of the keys, of the machine", async () => {
    await onDisk((storage, sql) => {
      for (const index of [1, 2]) {
        const written = rowsWritten(sql, () => {
          storage.persist(appendOf([{ ...sized(100)[0]!, index: asIndex(index) }]));
          storage.table.put("a", row);
          storage.saveMachine(
            { ...counters, appliedIndex: index, sequence: index },
            [
              {
                requestId: `${index}`,
                sequence: index,
                result: { type: "put", created: true, revision: index },
              },
            ],
            [],
          );
        });
        expect(written, index === 1 ? "a new key" : "a known key").toBe(3);
      }
    });
  });

  test("metadata is none more; that a value is to go, by itself or with a lease, is one", async () => {
    await onDisk(({ table }, sql) => {
      const cost = (key: string, more: object): number =>
        rowsWritten(sql, () => table.put(key, { ...row, ...more }));
      expect(cost("a", { metadata: "{}" })).toBe(1);
      expect(cost("b", { expiresMs: 1 })).toBe(2);
      expect(cost("c", { lease: "1" })).toBe(2);
    });
  });

  test("a put while a snapshot is on its way is one more, for the first to a key", async () => {
    await onDisk((storage, sql) => {
      storage.table.put("a", row);
      const source = storage.openExport({ ...counters, appliedIndex: 1 });
      const put = (modRevision: number): number =>
        rowsWritten(sql, () => storage.table.put("a", { ...row, modRevision }));
      expect([put(2), put(3), put(4)]).toEqual([2, 1, 1]);
      expect(
        rowsWritten(sql, () => source.close()),
        "may come before a message",
      ).toBe(0);
      expect(put(5)).toBe(1);
      storage.saveMachine({ ...counters, appliedIndex: 2 }, [], []);
      expect(sql.exec("SELECT * FROM kv_before").toArray()).toEqual([]);
    });
  });

  test("a chunk looks at so many rows, however many have been replaced since", async () => {
    await onDisk((storage, sql) => {
      const keys = Array.from({ length: 20_000 }, (_, i) => `key ${i}`);
      for (const key of keys) storage.table.put(key, row);
      const source = storage.openExport({ ...counters, appliedIndex: 1 });
      for (const key of keys) storage.table.put(key, { ...row, modRevision: 2 });
      const chunks: ReturnType<typeof source.read>[] = [];
      do {
        const read = rowsRead(sql, () => chunks.push(source.read(chunks.length)));
        expect(read).toBeLessThan(10_000);
      } while (!chunks.at(-1)!.isLast);
      const rows = chunks.flatMap(({ data }) => unpackChunk(data).rows);
      expect(rows).toHaveLength(keys.length);
    });
  });

  test("turns left by a long snapshot are worked off, and not read meanwhile", async () => {
    await onDisk((storage, sql) => {
      const turn = (sequence: number): void =>
        storage.saveMachine(
          { ...counters, appliedIndex: sequence, sequence },
          [
            {
              requestId: `${sequence}`,
              sequence,
              result: { type: "put", created: true, revision: 1 },
            },
          ],
          [],
        );
      const source = storage.openExport(counters);
      const total = windowSize + 10_000;
      for (let i = 1; i <= total; i++) turn(i);
      source.close();
      const records = [...storage.requestRecords()];
      expect(records).toHaveLength(windowSize);
      for (let i = total + 1; i <= total + 200; i++) turn(i);
      expect(sql.exec("SELECT count(*) AS n FROM machine").one()["n"]).toBeLessThan(
        windowSize + 300,
      );
    });
  });

  test("a log is cut at the cost of one row a segment, and one more", async () => {
    await onDisk((storage, sql) => {
      sized(1, 1, 1, 1, 1).forEach((entry) => storage.persist(appendOf([entry])));
      const compactTo = { term: asTerm(1), index: asIndex(3) };
      expect(rowsWritten(sql, () => storage.persist({ ...nothing, compactTo }))).toBe(4);
    });
  });

  test("a state that comes by snapshot is one row a key, and few more", async () => {
    const installed = async (keys: number): Promise<number> => {
      let written = 0;
      await onDisk((storage, sql) => {
        for (let i = 0; i < keys; i++) storage.table.put(`key ${i}`, row);
        written = rowsWritten(sql, () => install(storage, 9));
      });
      return written;
    };
    const few = await installed(0);
    expect(few).toBeLessThan(200);
    expect(await installed(500)).toBe(500 + few);
  });

  test("a batch of a hundred entries is one row, and so is an election", async () => {
    await onDisk((storage, sql) => {
      const entries = sized(...Array<number>(100).fill(100));
      expect(rowsWritten(sql, () => storage.persist(appendOf(entries)))).toBe(1);
      const hardState = { term: asTerm(2), vote: "1" };
      expect(rowsWritten(sql, () => storage.persist({ ...appendOf([]), hardState }))).toBe(1);
    });
  });
});

test("An entry of a type that newer code has written is not read as another", async () => {
  await onDisk((storage, sql) => {
    storage.persist(appendOf(sized(10)));
    const packed = [[1, 1, 9, new Uint8Array(10)]];
    sql.exec("UPDATE log SET entries = ?", toBytes(packed));
    expect(() => storage.log.slice(asIndex(1), asIndex(1), 99)).toThrow(
      "entry 1/1 is of type 9; this code knows noop, command, configuration",
    );
  });
});

describe("A schema", () => {
  test("of a newer version is refused, and not touched", async () => {
    const group = new GroupUnderTest();
    await group.inside("2", (_, { storage }) => {
      storage.sql.exec("UPDATE meta SET value = '5' WHERE name = 'schema_version'");
      expect(() => new DurableStorage(storage)).toThrow(
        "storage has schema version 5; this code knows 4",
      );
      expect(storage.sql.exec("SELECT value FROM meta").one()["value"]).toBe("5");
    });
  });

  test("of version 1 is brought up to date, with all that it holds", async () => {
    await onDisk((_storage, sql) => {
      dropAll(sql);
      for (const statement of version1) sql.exec(statement);
      const entries = sized(10, 20);
      const packed = entries.map(({ index, term, data }) => [index, term, 1, data]);
      sql.exec("INSERT INTO log VALUES (1, 2, 1, 1, ?)", toBytes(packed));
      const storage = new DurableStorage({ sql } as DurableObjectStorage);
      expect(storage.hardState).toEqual({ term: 4, vote: "2" });
      expect(storage.log.slice(asIndex(1), asIndex(2), 99)).toEqual(entries);
      expect(storage.table.get("a")).toMatchObject({ createRevision: 1, modRevision: 1 });
      expect(storage.machineState).toEqual({ ...counters, appliedIndex: 2 });
      const voters = [1, 2, 3].map((n) => ({ id: `${n}`, region: "weur" }));
      expect(storage.log.configurations).toEqual([{ index: 0, configuration: founding(voters) }]);
      // What was there is counted for nothing, and goes with what comes after it.
      storage.persist(appendOf([{ ...sized(5)[0]!, index: asIndex(3) }]));
      storage.persist({ ...nothing, compactTo: { term: asTerm(1), index: asIndex(2) } });
      expect(storage.log.base.index).toBe(2);
      expect(segments(sql)).toEqual([[3, 3]]);
    });
  });

  test("of version 3 is brought up to date, and works as one that is new does", async () => {
    await onDisk((_storage, sql) => {
      dropAll(sql);
      for (const statement of version3) sql.exec(statement);
      const storage = new DurableStorage({ sql } as DurableObjectStorage);
      const { table, leases, outcomes } = storage;
      const plain = { ...bare, createRevision: 1, version: 1 };
      const a = { ...plain, value: Uint8Array.of(1), contentType: null, modRevision: 1 };
      const b = {
        ...plain,
        value: Uint8Array.of(2),
        contentType: "a/b",
        modRevision: 2,
        version: 2,
      };
      expect([table.get("a"), table.get("b")]).toEqual([a, b]);
      expect(storage.machineState).toEqual({ ...counters, appliedIndex: 2, revision: 2 });
      expect([...storage.requestRecords()]).toEqual([
        { requestId: "r", sequence: 1, result: { type: "put", created: true, revision: 1 } },
      ]);
      expect(storage.log.configurations).toMatchObject([{ index: 0, configuration: { epoch: 1 } }]);
      // What an export of before has kept aside is let go of as ever.
      storage.saveMachine({ ...counters, appliedIndex: 3, nowMs: 7 }, [], []);
      expect(storage.machineState).toMatchObject({ appliedIndex: 3, nowMs: 7 });
      expect(sql.exec("SELECT * FROM kv_before").toArray()).toEqual([]);

      table.put("a", { ...a, metadata: "{}", expiresMs: 9 });
      table.put("c", { ...b, lease: "1" });
      leases.put("1", { ttlMs: 5, expiresMs: 10 });
      const result = { type: "revoked", deleted: 1, revision: 2 } as const;
      const mark = { ordinal: 1, bytesBefore: 0, bytes: 5, expiresMs: 9 };
      outcomes.add({ ...mark, name: "n", fingerprint: "f", result });
      expect([table.due(9, 5), table.nextDueMs(), table.ofLease("1", 5)]).toEqual([
        ["a"],
        9,
        ["c"],
      ]);
      expect(table.scan(allKeys, "descending", 2).map(([key]) => key)).toEqual(["c", "b"]);
      expect([leases.due(10, 5), outcomes.find("n")?.result]).toEqual([["1"], result]);
      expect(new DurableStorage({ sql } as DurableObjectStorage).table.get("a")?.metadata).toBe(
        "{}",
      );
    });
  });

  test("is the same in a state that has come by snapshot, and in the one after that", async () => {
    await onDisk((storage, sql) => {
      const described = (): unknown[] =>
        stateTables.map((table) => ({
          columns: sql.exec("SELECT * FROM pragma_table_info(?)", table).toArray(),
          indexes: indexesOf(sql, table).map(({ on }) => on),
        }));
      const before = described();
      for (const appliedIndex of [1, 2, 3]) {
        install(storage, appliedIndex);
        expect(described()).toEqual(before);
        const nth = appliedIndex % 2 === 0 ? 1 : 2;
        expect(indexesOf(sql, "kv").map(({ name }) => name)).toEqual([
          `due_${nth}`,
          `of_lease_${nth}`,
        ]);
      }
    });
  });

  test("is made once: opening it again changes nothing", async () => {
    await onDisk((_storage, sql) => {
      const written = rowsWritten(
        sql,
        () => void new DurableStorage({ sql } as DurableObjectStorage),
      );
      expect(written).toBe(0);
    });
  });
});
