import type { Row } from "./table.ts";

/** What must be so of a key for a command to change anything. */
export type Condition =
  /** Its value is the one that this revision wrote. */
  | { readonly type: "revision"; readonly revision: number }
  /** It has had values without a break since this revision: a lock's fencing token. */
  | { readonly type: "created"; readonly revision: number }
  | { readonly type: "exists" }
  | { readonly type: "absent" }
  | { readonly type: "value"; readonly value: Uint8Array };

export interface KeyCondition {
  readonly key: string;
  readonly condition: Condition;
}

export function holds(condition: Condition, row: Row | null): boolean {
  switch (condition.type) {
    case "revision":
      return row?.modRevision === condition.revision;
    case "created":
      return row?.createRevision === condition.revision;
    case "exists":
      return row !== null;
    case "absent":
      return row === null;
    case "value":
      return row !== null && row.large === null && isSame(condition.value, row.value);
  }
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean =>
  a.byteLength === b.byteLength && a.every((byte, i) => byte === b[i]);
