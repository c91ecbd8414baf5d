import type { KeyRange } from "../kv/key-range.ts";
import { next } from "../kv/key-range.ts";
import { foundIn } from "../kv/transaction.ts";
import type { PageRequest, PageResult } from "../protocol/client.ts";
import { maxOpenViews, viewIdleMs, viewPageBytes } from "../protocol/limits.ts";
import type { RowsView } from "./chunked-export.ts";
import type { Clock } from "./ports.ts";

interface OpenView {
  readonly view: RowsView;
  usedMs: number;
}

/**
 * Views of the state that clients read at their own pace. They live in memory, and while there are any all
 * that is replaced is kept aside, so there are few, and one that nobody reads is closed.
 */
export class OpenViews {
  readonly #clock: Clock;
  readonly #open: () => RowsView;
  readonly #views = new Map<string, OpenView>();
  #opened = 0;

  /** @param open gives a view of the state as it is. */
  constructor(clock: Clock, open: () => RowsView) {
    this.#clock = clock;
    this.#open = open;
  }

  /** Opens a view of the state as it is. Returns its name; null when there are too many. */
  open(): string | null {
    this.closeIdle();
    if (this.#views.size >= maxOpenViews) return null;
    // An instance that starts later must not take one of these for its own.
    const id = `${crypto.randomUUID()}.${++this.#opened}`;
    this.#views.set(id, { view: this.#open(), usedMs: this.#clock.nowMs() });
    return id;
  }

  /** The next rows of a view within a range. The last page closes it. */
  page({ view: id, range, values }: PageRequest): PageResult {
    this.closeIdle();
    const open = this.#views.get(id);
    if (open === undefined) return { type: "noView" };
    open.usedMs = this.#clock.nowMs();
    const { rows, end } = open.view.rows(range, viewPageBytes);
    const rest: KeyRange | null = end === null ? null : { from: next(end), to: range.to };
    if (rest === null) this.close(id);
    const maxBytes = values ? Number.POSITIVE_INFINITY : -1;
    const items = rows.map(([key, row]) => {
      return { type: "key" as const, key, found: foundIn(row, maxBytes)! };
    });
    return { type: "page", items, rest };
  }

  close(id: string): void {
    this.#views.get(id)?.view.close();
    this.#views.delete(id);
  }

  closeIdle(): void {
    const nowMs = this.#clock.nowMs();
    for (const [id, { usedMs }] of this.#views) if (nowMs - usedMs > viewIdleMs) this.close(id);
  }

  /** The state is another one now. */
  closeAll(): void {
    for (const id of this.#views.keys()) this.close(id);
  }
}
