/**
 * Replicas, links and clients that do anything at any time, drawn from a seed. Whatever a read was told, it
 * must have been shown what its level promises, and be told no less of its age than is true.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ClientResult, Level } from "../../src/protocol/client.ts";
import { Random } from "../../src/raft/random.ts";
import { GroupOfDrivers, type Parcel, get } from "./group-of-drivers.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const ids = ["1", "2", "3", "4", "5"];
const types: readonly Parcel["type"][] = ["call", "answer", "ask", "index"];

/** A write that was acknowledged: its revision, and when. */
interface Acknowledged {
  readonly revision: number;
  readonly atMs: number;
}

class Walk {
  readonly all: GroupOfDrivers;
  readonly random: Random;
  readonly acknowledged: Acknowledged[] = [];
  readonly problems: string[] = [];
  /** How often each kind of thing has happened, so that nobody tests nothing. */
  readonly seen = new Map<string, number>();
  #writes = 0;
  /** Links on which everything of a type waits. */
  readonly #slow = new Set<string>();

  constructor(seed: number) {
    this.random = new Random(seed);
    const skewsMs = Object.fromEntries(ids.map((id) => [id, this.random.between(0, 1e9)]));
    this.all = new GroupOfDrivers({
      ids,
      skewsMs,
      limits: { maxBytes: 400, keepBytes: 100, mostBytes: 800 },
      digestEvery: 3,
    });
  }

  async run(steps: number): Promise<void> {
    await this.all.elect("1");
    for (let step = 0; step < steps; step++) {
      this.#act();
      await this.#go(this.random.between(0, 3) * 10);
    }
    this.all.heal();
    this.#slow.clear();
    await this.#go(3000);
  }

  #act(): void {
    const kind = this.random.between(0, 99);
    if (kind < 30) this.#write();
    else if (kind < 80) this.#read();
    else if (kind < 86) this.all.cutOff(this.#id());
    else if (kind < 90) this.all.heal();
    else if (kind < 95) this.#slowDown();
    else if (kind < 97) this.#slow.clear();
    else if (kind < 98) this.#restart();
    else if (kind < 99) this.#campaign();
    else this.#corrupt();
  }

  #write(): void {
    const leaders = ids.filter((each) => this.all.driver(each).raft.role === "leader");
    const id = leaders[this.random.between(0, leaders.length - 1)];
    if (id === undefined) return;
    const driver = this.all.driver(id);
    const requestId = `w${++this.#writes}`;
    const value = new TextEncoder().encode(requestId);
    const put = { type: "put", requestId, floor: 0, key: "a", value, contentType: null } as const;
    void driver.write([put]).then(([result]) => {
      // A driver that has stopped says what nobody hears.
      if (result!.type !== "put" || this.all.driver(id) !== driver) return;
      this.#saw("write");
      this.acknowledged.push({ revision: result.revision, atMs: this.all.nowMs });
    });
  }

  #read(): void {
    const id = this.#id();
    const driver = this.all.driver(id);
    const began = { count: this.acknowledged.length, atMs: this.all.nowMs };
    const level = this.#level();
    const request = level === null ? get("a") : { ...get("a"), level };
    void this.all.ask(id, request).then((result) => {
      if (this.all.driver(id) === driver) this.#judge(id, level, result, began);
    });
  }

  /** Null for a read that only the leader answers. */
  #level(): Level | null {
    switch (this.random.between(0, 4)) {
      case 0:
        return { type: "linearizable" };
      case 1:
      case 2:
        return { type: "bounded", maxStalenessMs: this.random.between(1, 300) };
      case 3: {
        const { revision = 0 } =
          this.acknowledged[this.random.between(0, this.acknowledged.length)] ?? {};
        return { type: "session", epoch: 1, revision, maxWaitMs: this.random.between(0, 100) };
      }
      default:
        return this.random.between(0, 1) === 0 ? { type: "any" } : null;
    }
  }

  #judge(
    id: string,
    level: Level | null,
    result: ClientResult,
    began: { readonly count: number; readonly atMs: number },
  ): void {
    if (result.type !== "value" && result.type !== "absent") return this.#saw(result.type);
    const shown = result.type === "value" ? result.modRevision : 0;
    const { role } = this.all.driver(id).raft;
    this.#saw(`${level?.type ?? "plain"} at ${role === "leader" ? "leader" : "follower"}`);
    const check = (least: number, why: string): void => {
      if (shown >= least) return;
      const what = `${level?.type ?? "plain"} at ${id} shows ${shown} instead of ${least}`;
      this.problems.push(`${what}: ${why}`);
    };
    const all = newest(this.acknowledged.slice(0, began.count));
    const before = (ms: number): number =>
      newest(this.acknowledged.filter(({ atMs }) => atMs < began.atMs - ms));
    if (level === null || level.type === "linearizable") check(all, "acknowledged before it");
    if (level?.type === "session") check(level.revision, "seen before");
    if (level?.type === "bounded") check(before(level.maxStalenessMs), "acknowledged long before");
    const { stalenessMs = 0 } = result.shown ?? {};
    if (stalenessMs === 0) check(before(0), "it is said to be no older than the read");
    else if (stalenessMs !== null) {
      this.#saw("known age");
      check(before(stalenessMs), `it is said to be ${stalenessMs} ms old`);
    }
  }

  /** It may be what a replica has to apply that waits, or the answer to what it asks, and nothing else. */
  #slowDown(): void {
    const type = types[this.random.between(0, types.length - 1)]!;
    const leader = this.all.leader?.raft.config.id ?? this.#id();
    const [from, to] =
      this.random.between(0, 2) === 0 ? [this.#id(), leader] : [leader, this.#id()];
    this.#slow.add(`${type} ${from}>${to}`);
  }

  #restart(): void {
    this.all.start(this.#id()).boot();
    this.#saw("restart");
  }

  #campaign(): void {
    this.all.driver(this.#id()).campaign();
  }

  /** One replica's state gets wrong, and is repaired later. */
  #corrupt(): void {
    const wrong = ids.filter((id) => this.all.driver(id).raft.audit.hasDiverged);
    const id = this.#id();
    if (wrong.length > 0 || this.all.driver(id).raft.role === "leader") return;
    const { machine } = this.all.driver(id);
    const { hash } = machine.state;
    const last = (Number.parseInt(hash.at(-1)!, 16) + 1) % 16;
    machine.restore({ ...machine.state, hash: hash.slice(0, -1) + last.toString(16) });
    this.#saw("corruption");
  }

  async #go(ms: number): Promise<void> {
    const isWanted = ({ type, from, to }: Parcel): boolean =>
      !this.#slow.has(`${type} ${from}>${to}`);
    await this.all.settle(isWanted);
    for (let passed = 0; passed < ms; passed += 10) {
      vi.advanceTimersByTime(10);
      await this.all.pass(10, isWanted);
      if (ids.some((id) => this.all.driver(id).raft.audit.hasDiverged)) this.#saw("diverged");
    }
  }

  #id(): string {
    return ids[this.random.between(0, ids.length - 1)]!;
  }

  #saw(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }
}

const newest = (writes: readonly Acknowledged[]): number =>
  Math.max(0, ...writes.map(({ revision }) => revision));

const seeds = Number(process.env["WALKS"] ?? 30);

test(`${seeds} walks`, async () => {
  const seen = new Map<string, number>();
  for (let seed = 1; seed <= seeds; seed++) {
    const walk = new Walk(seed);
    await walk.run(250);
    expect(walk.problems, `seed ${seed}`).toEqual([]);
    expect(walk.all.faults, `seed ${seed}`).toEqual([]);
    for (const id of ids) expect(walk.all.driver(id).reads.waiting, `seed ${seed}`).toBe(0);
    for (const [what, count] of walk.seen) seen.set(what, (seen.get(what) ?? 0) + count);
  }
  if (process.env["WALKS"] !== undefined) console.log(Object.fromEntries(seen));
  for (const level of ["any", "session", "bounded", "linearizable"]) {
    expect([...seen.keys()]).toContain(`${level} at follower`);
  }
  expect([...seen.keys()]).toEqual(expect.arrayContaining(["known age", "diverged", "restart"]));
});
