import type { Level, ReadRequest, Shown } from "../../src/protocol/client.ts";
import { check } from "../invariants/check.ts";
import type { History } from "./history.ts";
import type { Operation } from "./ledger.ts";
import { describe } from "./wording.ts";

/** What somebody was told of at a time. */
interface Known {
  readonly atMs: number;
  /** The newest entry whose effect it was. */
  readonly index: number;
}

const nothing: Known = { atMs: Number.NEGATIVE_INFINITY, index: 0 };

/** What has been known to anybody, and since when: so how old an answer may be. */
export class Knowledge {
  readonly #history: History;
  readonly #keepsPace: boolean;
  readonly #all: Known[] = [nothing];

  /** @param keepsPace whether replicas know how long ago something was. */
  constructor(history: History, keepsPace: boolean) {
    this.#history = history;
    this.#keepsPace = keepsPace;
  }

  /** The newest entry whose effect anybody was told of. */
  get newest(): number {
    return this.#all.at(-1)!.index;
  }

  note(index: number, atMs: number): void {
    if (index > this.newest) this.#all.push({ index, atMs });
  }

  /** The oldest entry after which an answer may be true, by what was asked for and what it says of itself. */
  floorOf({ request, floor, beganMs }: Operation, shown: Shown | undefined): number {
    const { level } = request as ReadRequest & { readonly level?: Level };
    // One that says nothing is a leader's, as is one to whoever asked for nothing less.
    if (level === undefined || shown === undefined || shown.level === "linearizable") return floor;
    check(shown.level === level.type, "level", () => `${describe(request)}: ${shown.level}`);
    const mostMs = level.type === "bounded" ? level.maxStalenessMs : null;
    const isOld = mostMs !== null && (shown.stalenessMs ?? Number.POSITIVE_INFINITY) > mostMs;
    check(
      !isOld,
      "level",
      () => `${describe(request)}: ${shown.stalenessMs} ms old, not ${mostMs}`,
    );
    const floors = [0];
    if (level.type === "session") floors.push(this.#history.ofRevision(level.revision).from);
    if (this.#keepsPace) {
      if (mostMs !== null) floors.push(this.#at(beganMs - mostMs));
      if (shown.stalenessMs !== null) floors.push(this.#at(beganMs - shown.stalenessMs));
    }
    return Math.max(...floors);
  }

  /** What was known by then. */
  #at(ms: number): number {
    return this.#all.findLast(({ atMs }) => atMs <= ms)!.index;
  }
}
