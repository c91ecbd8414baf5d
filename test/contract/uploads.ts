import { describe, expect, test } from "vitest";
import { partBytes } from "../../src/kv/command.ts";
import type { Row } from "../../src/kv/table.ts";
import { type Upload, Uploads } from "../../src/kv/uploads.ts";
import type { Storage } from "../../src/replica/ports.ts";
import { bare } from "../support/row.ts";
import { id, install, readAll, state } from "./shipment.ts";
import type { ContractDisk } from "./storage.ts";

/** What every implementation of the Storage port must do about large values. */
export function describeUploads(newDisk: () => ContractDisk): void {
  test("there are none at first", async () => {
    await newDisk().run(({ uploads }) => {
      expect([uploads.get("u"), uploads.part("u", 0), uploads.nextDueMs()]).toEqual([
        null,
        null,
        null,
      ]);
      expect([uploads.due(9, 9), uploads.staging()]).toEqual([[], { count: 0, bytes: 0 }]);
      uploads.delete("u");
    });
  });

  test("are kept with their parts, replaced and deleted", async () => {
    const disk = newDisk();
    await disk.run(({ uploads }) => {
      uploads.put("u", terms("staging", 10));
      uploads.put("v", terms("used", null, { parts: 2 ** 20, bytes: 2 ** 40 }));
      for (const part of [0, 1, 2, 10]) uploads.putPart("u", part, bytes(part));
      uploads.putPart("v", 0, bytes(7));
      uploads.putPart("u", 1, new Uint8Array(0));
    });
    await disk.run(({ uploads }) => {
      expect(uploads.get("u")).toEqual(terms("staging", 10));
      expect(uploads.get("v")).toEqual(terms("used", null, { parts: 2 ** 20, bytes: 2 ** 40 }));
      expect([0, 1, 2, 3, 10].map((part) => uploads.part("u", part))).toEqual([
        bytes(0),
        new Uint8Array(0),
        bytes(2),
        null,
        bytes(10),
      ]);
      uploads.put("u", terms("retired", 20));
      uploads.delete("v");
      expect([uploads.get("v"), uploads.part("v", 0)]).toEqual([null, null]);
    });
    await disk.run(({ uploads }) => {
      expect([uploads.get("u"), uploads.get("v")]).toEqual([terms("retired", 20), null]);
      expect([uploads.part("u", 0), uploads.part("v", 0)]).toEqual([bytes(0), null]);
    });
  });

  test("are due by when and then by id, those of that very moment included", async () => {
    const disk = newDisk();
    await disk.run(({ uploads }) => {
      for (const [upload, dueMs] of [
        ["z", 10],
        ["b", 20],
        ["a", 20],
        ["c", 21],
        ["never", null],
      ] as const) {
        uploads.put(upload, terms(dueMs === null ? "used" : "retiring", dueMs));
      }
    });
    await disk.run(({ uploads }) => {
      expect([uploads.nextDueMs(), uploads.due(9, 9)]).toEqual([10, []]);
      expect(uploads.due(20, 9)).toEqual(["z", "a", "b"]);
      expect(uploads.due(99, 2)).toEqual(["z", "a"]);
      uploads.put("z", terms("used", null));
      expect([uploads.nextDueMs(), uploads.due(20, 1)]).toEqual([20, ["a"]]);
    });
  });

  test("that are staging are counted, with all that they take", async () => {
    await newDisk().run(({ uploads }) => {
      uploads.put("a", terms("staging", 1, { bytes: 5 }));
      uploads.put("b", terms("staging", 2, { bytes: 2 ** 33 }));
      for (const old of ["retiring", "retired"] as const) uploads.put(old, terms(old, 3));
      uploads.put("used", terms("used", null));
      expect(uploads.staging()).toEqual({ count: 2, bytes: 5 + 2 ** 33 });
    });
  });

  test("rows say where their values are", async () => {
    const disk = newDisk();
    const large = row({ value: new Uint8Array(0), large: { upload: "u", size: 2 ** 33 } });
    await disk.run(({ table }) => {
      table.put("large", large);
      table.put("small", large);
      table.put("small", row({}));
    });
    await disk.run(({ table }) => {
      expect([table.get("large"), table.get("small")]).toEqual([large, row({})]);
      const headings = table.scan({ from: "", to: null }, "ascending", 9);
      expect(headings.map(([, { size, large: at }]) => [size, at])).toEqual([
        [2 ** 33, large.large],
        [1, null],
      ]);
    });
  });

  describe("in a snapshot", () => describeShipped(newDisk));
}

function describeShipped(newDisk: () => ContractDisk): void {
  const used = (uploads: Storage["uploads"], upload: string, parts: number): void => {
    for (let part = 0; part < parts; part++) uploads.putPart(upload, part, bytes(part));
    uploads.put(upload, terms("used", null, { parts, bytes: 3 * parts }));
  };

  test("are those of its moment, with their parts, whatever becomes of them meanwhile", async () => {
    const [from, to] = [newDisk(), newDisk()];
    const large = row({ value: new Uint8Array(0), large: { upload: "b", size: 9 } });
    const chunks = await from.run(async (storage) => {
      const { table, uploads } = storage;
      table.put("k", large);
      used(uploads, "b", 3);
      used(uploads, "d", 1);
      await storage.durable();
      const source = storage.openExport(state(5));
      table.put("k", row({ modRevision: 2 }));
      uploads.delete("b");
      uploads.put("d", terms("retiring", 3));
      used(uploads, "a", 1);
      used(uploads, "c", 2);
      used(uploads, "e", 1);
      await storage.durable();
      const read = readAll(source);
      source.close();
      // Parts that were held go with those of the next one at the latest.
      uploads.delete("d");
      storage.saveMachine(state(6), [], []);
      expect(uploads.part("b", 0)).toBeNull();
      return read;
    });
    await to.run((storage) => install(storage, chunks, id(1, 5)));
    await to.run(({ table, uploads }) => {
      expect(table.get("k")).toEqual(large);
      expect([0, 1, 2, 3].map((part) => uploads.part("b", part))).toEqual([
        bytes(0),
        bytes(1),
        bytes(2),
        null,
      ]);
      expect(uploads.get("b")).toEqual(terms("used", null, { parts: 3, bytes: 9 }));
      expect(uploads.get("d")).toEqual(terms("used", null, { parts: 1, bytes: 3 }));
      for (const later of ["a", "c", "e"]) {
        expect([uploads.get(later), uploads.part(later, 0)]).toEqual([null, null]);
      }
    });
  });

  test("count their parts as where they came from, when those that came meanwhile come again", async () => {
    const [from, to] = [newDisk(), newDisk()];
    const stage = ({ uploads }: Storage, upload: string, part: number): void => {
      expect(new Uploads(uploads).stage(upload, part, bytes(part), 0)).toBeNull();
    };
    const chunks = await from.run((storage) => {
      for (const part of [0, 3]) stage(storage, "begun", part);
      const source = storage.openExport(state(5));
      for (const part of [1, 2, 4]) stage(storage, "begun", part);
      for (const part of [0, 1]) stage(storage, "later", part);
      const read = readAll(source);
      source.close();
      return read;
    });
    await to.run((storage) => install(storage, chunks, id(1, 5)));
    const after = await to.run((storage) => {
      expect(storage.uploads.get("begun")).toMatchObject({ parts: 2, bytes: 6 });
      for (const part of [1, 2, 4]) stage(storage, "begun", part);
      for (const part of [0, 1]) stage(storage, "later", part);
      return ["begun", "later"].map((upload) => storage.uploads.get(upload));
    });
    expect(after).toMatchObject([
      { parts: 5, bytes: 15 },
      { parts: 2, bytes: 6 },
    ]);
    await from.run(({ uploads }) => {
      expect(["begun", "later"].map((upload) => uploads.get(upload))).toEqual(after);
    });
  });

  test("of more than a chunk go in several", async () => {
    const [from, to] = [newDisk(), newDisk()];
    const parts = Array.from({ length: 5 }, (_, i) => new Uint8Array(partBytes).fill(i));
    const chunks = await from.run((storage) => {
      parts.forEach((data, part) => storage.uploads.putPart("u", part, data));
      storage.uploads.put("u", terms("used", null, { parts: 5, bytes: 5 * partBytes }));
      return readAll(storage.openExport(state(5)));
    });
    expect(chunks.length).toBeGreaterThan(3);
    await to.run((storage) => install(storage, chunks, id(1, 5)));
    await to.run(({ uploads }) => {
      for (const [part, data] of parts.entries()) {
        const found = uploads.part("u", part)!;
        expect([found.byteLength, found[0], found.at(-1)]).toEqual([data.byteLength, part, part]);
      }
    });
  });
}

const terms = (is: Upload["state"], dueMs: number | null, more: Partial<Upload> = {}): Upload => ({
  state: is,
  parts: 1,
  bytes: 3,
  dueMs,
  ...more,
});

const bytes = (part: number): Uint8Array => Uint8Array.of(part, 0, 255);

const row = (more: Partial<Row>): Row => ({
  ...bare,
  value: Uint8Array.of(1),
  contentType: null,
  createRevision: 1,
  modRevision: 1,
  version: 1,
  ...more,
});
