import type { Random } from "../../src/raft/random.ts";

/**
 * How unkind a world is: one number a fault, 0 where it is switched off. What happens by chance is in
 * thousandths, what takes time in ms, and what happens again and again in ms between two times.
 */
export type Weather = { readonly [Name in Fault]: number };
export type Fault = keyof typeof faults;

/** Each fault with its mildest and its worst degree. */
const faults = {
  /** Calls that never arrive, and calls whose answer never does. By chance, as all to `replayMs`. */
  lostRequests: [1, 400],
  lostAnswers: [1, 400],
  /** A call that arrives twice, the second time up to `replayMs` later. */
  doubledRequests: [1, 500],
  replayMs: [10, 10_000],
  /** On the way, and ten times as long on some links. */
  delayMs: [6, 150],
  slowLinks: [50, 500],
  /** A call or an answer that takes a second or so where others take no time. */
  lateMessages: [1, 300],
  /** Links that lose everything, and links that hold everything back for a while. */
  cutEveryMs: [2000, 50],
  clogEveryMs: [3000, 100],
  /** Calls refused before anything is done, as by an object with too much to do. */
  refusedCalls: [1, 300],
  /** Until what is written is durable, and ten times as long for one replica. */
  diskMs: [4, 80],
  slowDisk: [1, 1],
  diskFailureEveryMs: [4000, 200],
  lostAlarms: [1, 400],
  doubledAlarms: [1, 500],
  earlyAlarms: [1, 500],
  lateAlarmMs: [10, 60_000],
  /** Clocks that go apart, are set, and stand still. */
  skewMs: [1, 600_000],
  clockJumpEveryMs: [3000, 100],
  clockStopEveryMs: [3000, 200],
  /** Memory is lost; how many crashes leave a zombie, and how many hit all replicas. */
  crashEveryMs: [1500, 20],
  zombies: [100, 1000],
  allAtOnce: [20, 500],
  /** Memory is lost at a moment when nothing is under way. */
  evictEveryMs: [1000, 20],
  /** Somebody wants somebody else to lead. */
  transferEveryMs: [2000, 50],
  /** Somebody wants others to belong to the group. */
  membersEveryMs: [2000, 30],
  /** Nobody wants anything for a second or so, in which the group may fall asleep. */
  lullEveryMs: [4000, 300],
  /** A replica stands still for seconds, and then finds all that came meanwhile. */
  pauseEveryMs: [4000, 200],
  /** From the start of an event to the end of its body. */
  bodyMs: [1, 80],
  /** An edge is gone, with its memory and all that it was doing. */
  edgeCrashEveryMs: [3000, 50],
  /** Answers lost between edge and client. */
  lostReplies: [1, 400],
  /** A state is tampered with: a row, or the hash. Never so many that no majority is right. */
  corruptEveryMs: [2000, 100],
  /** Limits so small that a few entries reach them. */
  smallSizes: [1, 1],
} as const satisfies Record<string, readonly [mildest: number, worst: number]>;

export const allFaults = Object.keys(faults) as readonly Fault[];

/** Nothing goes wrong; only messages and disks take their time. */
export const calm: Weather = {
  ...(Object.fromEntries(allFaults.map((fault) => [fault, 0])) as Weather),
  delayMs: 5,
  diskMs: 3,
  lateAlarmMs: 1,
};

/** What does nothing without another. */
const needs: Partial<Readonly<Record<Fault, Fault>>> = {
  zombies: "crashEveryMs",
  allAtOnce: "crashEveryMs",
  replayMs: "doubledRequests",
};

/** Swarm: most faults are off in a run, and some of the others go to extremes. */
export function drawWeather(random: Random): Weather {
  const oneIn = [1, 2, 4, 8, 8][random.between(0, 4)]!;
  const on = new Set(allFaults.filter(() => random.between(1, oneIn) === 1));
  for (const fault of on) if (needs[fault] !== undefined) on.add(needs[fault]);
  const drawn = allFaults.map((fault): [Fault, number] => {
    const degree = drawDegree(faults[fault], random);
    return [fault, on.has(fault) ? degree : calm[fault]];
  });
  return Object.fromEntries(drawn) as Weather;
}

function drawDegree([mildest, worst]: readonly [number, number], random: Random): number {
  if (random.between(0, 3) === 0) return worst;
  const any = random.between(Math.min(mildest, worst), Math.max(mildest, worst));
  // Small degrees are as telling as large ones, so the range is often cut short.
  const short = [1, 1, 10, 100][random.between(0, 3)]!;
  return mildest + Math.trunc((any - mildest) / short);
}

/** The same weather without some of its faults. */
export function without(weather: Weather, off: readonly Fault[]): Weather {
  return { ...weather, ...Object.fromEntries(off.map((fault) => [fault, calm[fault]])) };
}

/** The faults that are on, with their degree: `lostAnswers 12, crashEveryMs 300`. */
export function describeWeather(weather: Weather): string {
  const on = faultsIn(weather).map((fault) => `${fault} ${weather[fault]}`);
  return on.length === 0 ? "none" : on.join(", ");
}

export const faultsIn = (weather: Weather): Fault[] =>
  allFaults.filter((fault) => weather[fault] !== calm[fault]);

/** Whether all clocks show the same, always. */
export const hasRightClocks = ({ skewMs, clockJumpEveryMs, clockStopEveryMs }: Weather): boolean =>
  skewMs + clockJumpEveryMs + clockStopEveryMs === 0;
