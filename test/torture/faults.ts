import type { Random } from "../../src/raft/random.ts";
import { type TortureCluster, namespace } from "./cluster.ts";
import { call } from "./http.ts";
import type { Workerd } from "./workerd.ts";

/** Something bad that is done to a cluster, and is over after some time. */
export interface Fault {
  readonly name: string;
  /** Does it, for so many ms. Resolves when it is over, and what was killed runs again. */
  readonly strike: (scene: Scene) => Promise<void>;
}

export interface Scene {
  readonly cluster: TortureCluster;
  readonly random: Random;
  /** Whom to strike at: anybody, but often the leader. */
  readonly victim: string;
  readonly ms: number;
  readonly log: (line: string) => void;
}

const pass = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function killFor(processes: readonly Workerd[], ms: number): Promise<void> {
  await Promise.all(processes.map((each) => each.kill()));
  await pass(ms);
  await Promise.all(processes.map((each) => each.start()));
}

export const killOne: Fault = {
  name: "kill -9 of one replica",
  async strike({ cluster, victim, ms, log }) {
    log(`kill -9 of replica ${victim}, for ${ms} ms`);
    await killFor([cluster.replicas.get(victim)!], ms);
  },
};

export const killAll: Fault = {
  name: "kill -9 of all replicas",
  async strike({ cluster, ms, log }) {
    log(`kill -9 of all replicas, for ${ms} ms`);
    await killFor([...cluster.replicas.values()], ms);
  },
};

export const killMajority: Fault = {
  name: "kill -9 of a majority",
  async strike({ cluster, victim, ms, log }) {
    const others = cluster.ids.filter((id) => id !== victim);
    const dying = [victim, ...others.slice(0, cluster.ids.length >> 1)];
    log(`kill -9 of replicas ${dying.join(" ")}, for ${ms} ms`);
    await killFor(
      dying.map((id) => cluster.replicas.get(id)!),
      ms,
    );
  },
};

export const killEdge: Fault = {
  name: "kill -9 of an edge",
  async strike({ cluster, random, log }) {
    const names = [...cluster.edges.keys()];
    const name = names[random.between(0, names.length - 1)]!;
    log(`kill -9 of edge ${name}`);
    await killFor([cluster.edges.get(name)!], 0);
  },
};

export const stopOne: Fault = {
  name: "SIGSTOP of one replica",
  async strike({ cluster, victim, random, log }) {
    const ms = random.between(1000, 5000);
    log(`SIGSTOP of replica ${victim}, for ${ms} ms`);
    const replica = cluster.replicas.get(victim)!;
    replica.stop();
    await pass(ms);
    replica.resume();
  },
};

/** Nothing bad, but an election all the same. */
const handOver: Fault = {
  name: "handing over",
  async strike({ cluster, random, log }) {
    const members = await cluster.statuses();
    const replica = members[random.between(0, members.length - 1)]?.id;
    if (replica === undefined) return;
    log(`replica ${replica} is to lead`);
    await request(cluster, "POST", "leader", JSON.stringify({ replica }));
  },
};

/** Another replica comes in the place of one, in the same home: at once, or after that has gone. */
const replaceOne: Fault = {
  name: "replacing a member",
  async strike({ cluster, random, log }) {
    const leader = await cluster.leader();
    if (leader === null) return;
    const { members, nextId } = leader;
    const old = members.find(({ id }) => cluster.homeOf(id) === cluster.homeOf(nextId))?.id;
    const isAtOnce = random.between(0, 2) > 0;
    log(
      `replica ${nextId} comes, in the place of ${old ?? "nobody"}${isAtOnce ? "" : ", after it"}`,
    );
    if (old !== undefined && !isAtOnce) await request(cluster, "DELETE", `members/${old}`);
    const body = old !== undefined && isAtOnce ? { replaces: old } : { region: "local" };
    await request(cluster, "POST", "members", JSON.stringify(body));
  },
};

/** Whether it comes to that depends on what else is going on. */
async function request(
  cluster: TortureCluster,
  method: string,
  path: string,
  body = "",
): Promise<void> {
  const [edge] = [...cluster.edges.values()];
  const url = `${edge!.url}/v1/ns/${namespace}/cluster/${path}?timeout=3s`;
  await call({ method, url, headers: {}, body, timeoutMs: 4000 }).catch(() => {});
}

export const lossyWays: Fault = {
  name: "lossy ways",
  async strike({ cluster, random, ms, log }) {
    const lost = random.between(20, 75);
    log(`${2 * lost} ‰ of all calls lost, half of them only their answers, for ${ms} ms`);
    const ways = { lostRequests: lost, lostAnswers: lost, doubledRequests: lost };
    cluster.links.ways = { ...cluster.links.ways, ...ways };
    await pass(ms);
    cluster.links.ways = {
      ...cluster.links.ways,
      lostRequests: 0,
      lostAnswers: 0,
      doubledRequests: 0,
    };
  },
};

export const slowWays: Fault = {
  name: "slow ways",
  async strike({ cluster, random, ms, log }) {
    const delayMs = random.between(10, 300);
    log(`calls and answers take up to ${delayMs} ms each, for ${ms} ms`);
    cluster.links.ways = { ...cluster.links.ways, delayMs };
    await pass(ms);
    cluster.links.ways = { ...cluster.links.ways, delayMs: 0 };
  },
};

type IsCut = (from: string, to: string) => boolean;

/** Cuts links for some time. Each edge finds itself beside one of the replicas. */
const partition = (name: string, draw: (scene: Scene) => IsCut): Fault => ({
  name,
  async strike(scene) {
    const { cluster, random, ms, log } = scene;
    const { ids, links } = cluster;
    const isCut = draw(scene);
    const cuts: string[] = [];
    const beside = (): string => ids[random.between(0, ids.length - 1)]!;
    const places = [
      ...ids.map((id) => ({ name: id, at: id })),
      ...[...cluster.edges.keys()].map((edge) => ({ name: edge, at: beside() })),
    ];
    for (const { name: party, at } of places) {
      for (const id of ids) {
        if (id === at) continue;
        for (const [from, to, cut] of [
          [party, id, isCut(at, id)],
          [id, party, isCut(id, at)],
        ] as const) {
          if (!cut) continue;
          links.cut(from, to);
          cuts.push(`${from}>${to}`);
        }
      }
    }
    log(`partition (${name}): ${[...new Set(cuts)].join(" ") || "nothing"}, for ${ms} ms`);
    await pass(ms);
    links.mend();
  },
});

/** One of two sides, neither of them empty, of at least two. */
function side(ids: readonly string[], random: Random): Set<string> {
  const drawn = new Set(ids.filter(() => random.between(0, 1) === 0));
  return drawn.size === 0 || drawn.size === ids.length ? side(ids, random) : drawn;
}

export const isolateOne = partition("one replica alone", ({ victim }) => {
  return (from, to) => (from === victim) !== (to === victim);
});

/** The victim and too few others: if it leads, it has lost its quorum. */
export const minorityAlone = partition("a minority alone", ({ victim, cluster: { ids } }) => {
  const others = ids.filter((id) => id !== victim);
  const minority = new Set([victim, ...others.slice(0, ((ids.length - 1) >> 1) - 1)]);
  return (from, to) => minority.has(from) !== minority.has(to);
});

/** The victim and enough others: if it leads, it keeps its quorum. */
export const majorityAlone = partition("a majority alone", ({ victim, cluster: { ids } }) => {
  const others = ids.filter((id) => id !== victim);
  const majority = new Set([victim, ...others.slice(0, ids.length >> 1)]);
  return (from, to) => majority.has(from) !== majority.has(to);
});

export const randomHalves = partition("random halves", ({ cluster: { ids }, random }) => {
  const half = side(ids, random);
  return (from, to) => half.has(from) !== half.has(to);
});

/** Everybody still reaches a majority, but no two the same. Among three, everybody has two neighbours. */
export const ring = partition("a ring", ({ cluster: { ids } }) => {
  return (from, to) => {
    const apart = Math.abs(ids.indexOf(from) - ids.indexOf(to));
    return Math.min(apart, ids.length - apart) > 1;
  };
});

export const bridge = partition("all but a bridge", ({ cluster: { ids }, random, victim }) => {
  const bank = side(
    ids.filter((id) => id !== victim),
    random,
  );
  return (a, b) => bank.has(a) !== bank.has(b) && a !== victim && b !== victim;
});

export const muteOne = partition("one hears and cannot speak", ({ victim }) => {
  return (from) => from === victim;
});

export const deafenOne = partition("one speaks and cannot hear", ({ victim }) => {
  return (_, to) => to === victim;
});

export const oneLink = partition("one link", ({ victim, cluster: { ids }, random }) => {
  const others = ids.filter((id) => id !== victim);
  const other = others[random.between(0, others.length - 1)]!;
  return (from, to) => (from === victim && to === other) || (from === other && to === victim);
});

const partitions: readonly Fault[] = [
  isolateOne,
  minorityAlone,
  majorityAlone,
  randomHalves,
  ring,
  bridge,
  muteOne,
  deafenOne,
  oneLink,
];

/** What can be done to a cluster of this size. Some faults stand there twice, to come more often. */
export function faultsFor(replicas: number): readonly Fault[] {
  if (replicas === 1) return faultsOfOne;
  const possible = replicas > 3 ? partitions : partitions.filter((fault) => fault !== ring);
  return [...faultsOfOne, ...possible];
}

const faultsOfOne: readonly Fault[] = [
  killOne,
  killOne,
  killAll,
  killMajority,
  killEdge,
  stopOne,
  stopOne,
  lossyWays,
  slowWays,
  handOver,
  replaceOne,
  replaceOne,
];
