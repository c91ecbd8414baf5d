/** A key's value and its history in brief. Revisions are the store's: see state.ts. */
export interface Row {
  readonly value: Uint8Array;
  /** The content type it was put with; null when none was given. */
  readonly contentType: string | null;
  /**
   * The revision of the put that created the key, of the last put to it, and how many puts it has
   * had since creation.
   */
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
}

/**
 * Where the state machine keeps its keys. Synchronous; what is written in one apply becomes durable
 * together.
 */
export interface KvTable {
  get(key: string): Row | null;
  put(key: string, row: Row): void;
  delete(key: string): void;
}
