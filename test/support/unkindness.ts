import type { DriverWorld, Sizes, Unkindness } from "./driver-world.ts";

/** Most kinds of trouble are off in a run, and a few go to extremes. */
export function drawUnkindness({ random }: DriverWorld): Unkindness {
  const maybe = (value: number): number =>
    random.between(0, 2) === 0 ? random.between(0, value) : 0;
  return {
    lostMessages: maybe(300),
    doubledMessages: maybe(300),
    maxDelayMs: 3 + maybe(120),
    maxDiskMs: maybe(60),
    lostAlarms: maybe(100),
    doubledAlarms: maybe(200),
    maxLateMs: 1 + maybe(200),
    maxBodyMs: maybe(60),
  };
}

/** In every other run, limits that a few small entries reach. */
export function drawSizes({ random, sizes }: DriverWorld): Sizes {
  if (random.between(0, 1) === 0) return sizes;
  return {
    maxMessageBytes: random.between(1, 400),
    maxInflightMessages: random.between(1, 4),
    maxInflightBytes: random.between(1, 800),
    maxUncommittedBytes: random.between(200, 2000),
    maxApplyBytes: random.between(1, 300),
    logCacheBytes: random.between(1, 300),
  };
}

/** Crashes and cuts, again and again, until a moment in the world's time. */
export function hurtUntil(world: DriverWorld, endMs: number): void {
  const { random, agenda } = world;
  const [crashEveryMs, cutEveryMs] = [random.between(30, 600), random.between(100, 1500)];
  const crash = (): void => {
    if (agenda.nowMs > endMs) return;
    const all = random.between(0, 9) === 0;
    const one = random.between(0, 1) === 0 ? (world.leader ?? world.anyHost) : world.anyHost;
    for (const victim of all ? world.hosts.values() : [one]) {
      victim.crash({ survivors: random.between(0, 3), zombie: random.between(0, 1) === 0 });
      // Usually the next event finds it gone; sometimes one comes at once.
      if (random.between(0, 1) === 0) victim.poke();
    }
    agenda.after(random.between(1, 2 * crashEveryMs), crash);
  };
  const cut = (): void => {
    for (const host of world.hosts.values()) host.deafTo.clear();
    if (agenda.nowMs > endMs) return;
    const isCut = drawCut(world);
    for (const a of world.ids) {
      for (const b of world.ids) if (a !== b && isCut(a, b)) world.host(b).deafTo.add(a);
    }
    agenda.after(random.between(1, 2 * cutEveryMs), cut);
  };
  /** Disks that fail and clocks that are set, both rare. */
  const upset = (): void => {
    if (agenda.nowMs > endMs) return;
    if (random.between(0, 3) === 0) world.anyHost.breakStorage();
    else world.anyHost.skewMs = random.between(-50, 50);
    agenda.after(random.between(200, 3000), upset);
  };
  crash();
  cut();
  agenda.after(random.between(200, 3000), upset);
}

/** Which links are cut, each for one direction: often all of one replica's, often the leader's. */
function drawCut(world: DriverWorld): (from: string, to: string) => boolean {
  const { random } = world;
  const { id } = random.between(0, 1) === 0 ? (world.leader ?? world.anyHost) : world.anyHost;
  const half = new Set(world.ids.filter(() => random.between(0, 1) === 0));
  const cuts: readonly ((from: string, to: string) => boolean)[] = [
    () => false,
    () => random.between(0, 3) === 0,
    (from, to) => (from === id) !== (to === id),
    (from) => from === id,
    (_, to) => to === id,
    (from, to) => half.has(from) !== half.has(to),
  ];
  return cuts[random.between(0, cuts.length - 1)]!;
}
