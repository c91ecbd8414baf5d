import type { Random } from "../../src/raft/random.ts";
import { type Change, membersOf } from "../../src/raft/membership.ts";
import type { SimulatedEdge } from "./edge.ts";
import type { Host } from "./host.ts";
import type { World } from "./world.ts";

/** Enough for every founder to be replaced, and some more. */
const maxReplicas = 14;

/** Does to a world, again and again, what its weather says, until a moment of the world's time. */
export class Nemesis {
  readonly #world: World;
  readonly #edges: readonly SimulatedEdge[];
  readonly #endMs: number;

  constructor(world: World, edges: readonly SimulatedEdge[], endMs: number) {
    this.#world = world;
    this.#edges = edges;
    this.#endMs = endMs;
  }

  begin(): void {
    const { weather } = this.#world;
    this.#every("crash", weather.crashEveryMs, (random) => this.#crash(random));
    this.#every("evict", weather.evictEveryMs, (random) => this.#evict(random));
    this.#every("transfer", weather.transferEveryMs, (random) => this.#transfer(random));
    this.#every("lull", weather.lullEveryMs, (random) => this.#lull(random));
    this.#every("pause", weather.pauseEveryMs, (random) => this.#pause(random));
    this.#every("disk", weather.diskFailureEveryMs, (random) => this.#breakDisk(random));
    this.#every("jump", weather.clockJumpEveryMs, (random) => this.#jump(random));
    this.#every("stop", weather.clockStopEveryMs, (random) => this.#stopClock(random));
    this.#every("cut", weather.cutEveryMs, (random) => this.#cut(random));
    this.#every("clog", weather.clogEveryMs, (random) => this.#clog(random));
    this.#every("corrupt", weather.corruptEveryMs, (random) => this.#corrupt(random));
    this.#every("edge", weather.edgeCrashEveryMs, (random) => this.#crashEdge(random));
    this.#every("members", weather.membersEveryMs, (random) => this.#change(random));
  }

  /** Does something at intervals of `meanMs` on average; 0 for never. */
  #every(concern: string, meanMs: number, work: (random: Random) => void): void {
    if (meanMs === 0) return;
    const random = this.#world.random(concern);
    const next = (): void => {
      this.#world.agenda.after(random.between(1, 2 * meanMs), () => {
        if (this.#world.agenda.nowMs > this.#endMs) return;
        work(random);
        next();
      });
    };
    next();
  }

  #crash(random: Random): void {
    const { weather, hosts, seen, trace } = this.#world;
    const isAll = random.between(0, 999) < weather.allAtOnce;
    if (isAll) seen.saw("crash of all");
    const victims = isAll ? [...hosts.values()] : [this.#victim(random)];
    for (const victim of victims) {
      const survivors = random.between(0, 3);
      const zombieMs = random.between(0, 999) < weather.zombies ? random.between(1, 3000) : 0;
      trace.note(() => `crash ${victim.id}, keeps ${survivors} writes, zombie for ${zombieMs} ms`);
      victim.crash({ survivors, zombieMs });
      // Usually the next event finds it gone; sometimes one comes at once.
      if (random.between(0, 1) === 0) victim.whenRunning(() => victim.life.poke(() => {}));
    }
  }

  #evict(random: Random): void {
    const host = this.#victim(random);
    if (!host.evict()) return;
    this.#world.seen.saw("eviction");
    this.#world.trace.note(() => `evict ${host.id}`);
  }

  #transfer(random: Random): void {
    const { leader, ids, trace } = this.#world;
    const to = ids[random.between(0, ids.length - 1)]!;
    if (leader === null) return;
    trace.note(() => `${leader.id} is to hand over to ${to}`);
    this.#world.host(leader.id).whenRunning(() => leader.isAlive && leader.driver.transfer(to));
  }

  /** Somebody wants others to belong to the group. */
  #change(random: Random): void {
    const { leader, hosts, founders, seen, trace } = this.#world;
    if (leader === null || hosts.size >= maxReplicas) return;
    const { configuration } = leader.raft.log;
    const members = membersOf(configuration);
    const anyone = members[random.between(0, members.length - 1)]!.id;
    const region = founders[random.between(0, founders.length - 1)]!;
    const change: Change =
      random.between(0, 2) === 0
        ? { type: "remove", id: anyone }
        : { type: "add", region, replaces: random.between(0, 1) === 0 ? anyone : null };
    trace.note(() => `${leader.id} is to ${JSON.stringify(change)}`);
    this.#world.host(leader.id).whenRunning(() => {
      if (!leader.isAlive || leader.hasLeft) return;
      void leader.driver.change(change).then(({ type }) => {
        if (type === "begun") seen.saw("change of members begun");
        if (type === "unknown") seen.saw("change of members in doubt");
      });
    });
  }

  #lull(random: Random): void {
    const { agenda, seen, trace } = this.#world;
    const ms = random.between(100, 1500);
    seen.saw("lull");
    trace.note(() => `nobody wants anything for ${ms} ms`);
    this.#world.lullUntilMs = agenda.nowMs + ms;
  }

  #pause(random: Random): void {
    const host = this.#victim(random);
    const ms = random.between(100, random.between(0, 1) === 0 ? 1000 : 5000);
    this.#world.seen.saw("pause");
    this.#world.trace.note(() => `pause ${host.id} for ${ms} ms`);
    host.pause(ms);
  }

  #breakDisk(random: Random): void {
    const host = this.#victim(random);
    this.#world.seen.saw("disk failure");
    this.#world.trace.note(() => `break the disk of ${host.id}`);
    host.breakStorage(random.between(0, 1) === 0 ? "wait" : "write");
  }

  #jump(random: Random): void {
    const host = this.#victim(random);
    const [min, max] = random.between(0, 3) === 0 ? [-600_000, 600_000] : [-500, 500];
    const before = host.skewMs;
    host.skewMs = random.between(min, max);
    if (host.skewMs < before) this.#world.seen.saw("clock set back");
    this.#world.trace.note(() => `set the clock of ${host.id} by ${host.skewMs - before} ms`);
  }

  #stopClock(random: Random): void {
    const host = this.#victim(random);
    const ms = random.between(10, 2000);
    this.#world.trace.note(() => `stop the clock of ${host.id} for ${ms} ms`);
    host.stopClock(ms);
  }

  #corrupt(random: Random): void {
    this.#world.corrupt(this.#victim(random), random);
  }

  #crashEdge(random: Random): void {
    const edge = this.#edges[random.between(0, this.#edges.length - 1)]!;
    this.#world.seen.saw("edge crash");
    this.#world.trace.note(() => `crash ${edge.name}`);
    edge.crash();
  }

  /** Draws which links lose everything until the next time. */
  #cut(random: Random): void {
    const { links, ids, seen, trace } = this.#world;
    links.mend();
    const { what, isCut, isOneWay } = this.#drawCut(random);
    for (const a of ids) {
      for (const b of ids) if (a !== b && isCut(a, b)) links.cut(a, b);
    }
    // Edges are somewhere too, and may find themselves on either side.
    for (const { name } of this.#edges) {
      const near = ids[random.between(0, ids.length - 1)]!;
      const isApart = random.between(0, 1) === 0;
      for (const id of ids) {
        if (!isApart || id === near) continue;
        if (isCut(near, id)) links.cut(name, id);
        if (isCut(id, near)) links.cut(id, name);
      }
    }
    if (isOneWay) seen.saw("one-way cut");
    trace.note(() => `cut ${what}`);
    const { leader } = this.#world;
    const reached = ids.filter(
      (id) => id === leader?.id || !links.isCut(leader?.id ?? "", id),
    ).length;
    if (leader !== null && reached <= ids.length / 2) seen.saw("quorum cut off");
  }

  #drawCut(random: Random): Cut {
    const { ids } = this.#world;
    const { id } = this.#victim(random);
    const half = new Set(ids.filter(() => random.between(0, 1) === 0));
    const place = (each: string): number => ids.indexOf(each);
    const ring = (a: string, b: string): boolean => {
      const apart = Math.abs(place(a) - place(b));
      return Math.min(apart, ids.length - apart) > 1;
    };
    const cuts: readonly Cut[] = [
      { what: "nothing", isCut: () => false },
      { what: "here and there", isCut: () => random.between(0, 3) === 0, isOneWay: true },
      { what: `off ${id}`, isCut: (from, to) => (from === id) !== (to === id) },
      { what: `all from ${id}`, isCut: (from) => from === id, isOneWay: true },
      { what: `all to ${id}`, isCut: (_, to) => to === id, isOneWay: true },
      { what: "in two", isCut: (from, to) => half.has(from) !== half.has(to) },
      { what: "a ring", isCut: ring },
      {
        what: `all but a bridge at ${id}`,
        isCut: (a, b) => half.has(a) !== half.has(b) && a !== id && b !== id,
      },
    ];
    return cuts[random.between(0, cuts.length - 1)]!;
  }

  /** Swizzle: some links are clogged one by one, and freed one by one in another order. */
  #clog(random: Random): void {
    const { links, ids, agenda, seen, trace } = this.#world;
    const pairs = ids
      .flatMap((a) => ids.map((b): [string, string] => [a, b]))
      .filter(([a, b]) => a !== b && random.between(0, 2) === 0);
    const spanMs = random.between(10, 1500);
    for (const [from, to] of pairs) {
      const fromMs = random.between(0, spanMs);
      const untilMs = fromMs + random.between(1, spanMs);
      agenda.after(fromMs, () => {
        if (agenda.nowMs > this.#endMs) return;
        seen.saw("clog");
        trace.note(() => `clog ${from}->${to}`);
        links.clog(from, to);
      });
      agenda.after(untilMs, () => {
        trace.note(() => `unclog ${from}->${to}`);
        links.unclog(from, to);
      });
    }
  }

  /** Anybody, but often the leader. */
  #victim(random: Random): Host {
    const { ids, leader } = this.#world;
    const anyone = ids[random.between(0, ids.length - 1)]!;
    const isLeader = random.between(0, 1) === 0;
    return this.#world.host(isLeader ? (leader?.id ?? anyone) : anyone);
  }
}

interface Cut {
  readonly what: string;
  readonly isCut: (from: string, to: string) => boolean;
  readonly isOneWay?: boolean;
}
