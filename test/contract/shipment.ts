import type { RequestRecord } from "../../src/kv/request-window.ts";
import { type MachineState, initialState } from "../../src/kv/state-machine.ts";
import type { Row } from "../../src/kv/table.ts";
import type { SnapshotExport } from "../../src/raft/io.ts";
import { type EntryId, asIndex, asTerm } from "../../src/raft/types.ts";
import type { Storage } from "../../src/replica/ports.ts";
import { foundedBy } from "../support/members.ts";
import { nothing } from "../support/persist.ts";
import { bare } from "../support/row.ts";

/** Reads every chunk from `place` on. */
export function readAll(source: SnapshotExport, place = 0): Uint8Array[] {
  const { data, isLast } = source.read(place);
  return isLast ? [data] : [data, ...readAll(source, place + 1)];
}

export function install(storage: Storage, chunks: readonly Uint8Array[], snapshot: EntryId): void {
  chunks.forEach((data, place) => {
    const isLast = place === chunks.length - 1;
    storage.persist({
      ...nothing,
      chunk: { place, data },
      install: isLast ? { ...snapshot, configuration } : null,
    });
  });
}

const configuration = foundedBy(["1", "2", "3"]);

export const id = (term: number, index: number): EntryId => ({
  term: asTerm(term),
  index: asIndex(index),
});

/** What states of version 1 had besides the applied index. */
export const counters = { revision: 1, sequence: 1, hash: "ab" };

export const state = (appliedIndex: number): MachineState => ({
  ...initialState,
  ...counters,
  appliedIndex,
});

export const row = (modRevision: number): Row => ({
  value: new TextEncoder().encode(`at ${modRevision}`),
  contentType: "text/plain",
  ...bare,
  createRevision: 1,
  modRevision,
  version: modRevision,
});

export const record = (sequence: number): RequestRecord => ({
  requestId: `request ${sequence}`,
  sequence,
  result: { type: "put", created: true, revision: sequence },
});
