import type { Persist } from "../../src/raft/io.ts";

/** A batch that changes nothing, to be told apart from by what it does. */
export const nothing: Persist = {
  batch: 1,
  hardState: null,
  chunk: null,
  install: null,
  repair: null,
  audit: null,
  compactTo: null,
  truncateFrom: null,
  entries: [],
};
