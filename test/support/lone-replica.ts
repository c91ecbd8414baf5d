import type { Message } from "../../src/raft/messages.ts";
import type { NodeId } from "../../src/raft/types.ts";
import { type Start, storageOf } from "./start.ts";
import { testConfig } from "./test-config.ts";
import { TestReplica } from "./test-replica.ts";

/**
 * A replica without a network, for tests that speak for the others. Its clock stands where the test
 * puts it.
 */
export class LoneReplica extends TestReplica {
  readonly clock: { nowMs: number };
  readonly sent: Message[];

  constructor(name: NodeId, start: Start = {}) {
    const clock = { nowMs: 0 };
    const sent: Message[] = [];
    const known = testConfig(name);
    const settings = Object.entries(start).filter(([key]) => key in known);
    super({ ...known, ...Object.fromEntries(settings) }, storageOf(start), {
      nowMs: () => clock.nowMs,
      send: (each) => sent.push(each),
      observe: () => {},
    });
    this.clock = clock;
    this.sent = sent;
  }

  /** Moves the clock and tells the core. */
  wait(ms: number): string[] {
    this.clock.nowMs += ms;
    return this.time();
  }
}
