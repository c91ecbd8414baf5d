/** Networks in which some replicas hear each other and some do not, and what must come of them. */
import { describe, expect, test } from "vitest";
import { Cluster } from "../support/cluster.ts";
import type { TestReplica } from "../support/test-replica.ts";

const ids = ["n1", "n2", "n3", "n4", "n5"];

/** Lets time pass for long with messages delivered at once, and says in which terms who led. */
function leadersOver(cluster: Cluster, ms: number): string[] {
  const seen = new Set<string>();
  for (let passed = 0; passed < ms; passed += 10) {
    cluster.advance(10, true);
    for (const { id, raft } of cluster.leaders) seen.add(`${id} t${raft.term}`);
  }
  return [...seen];
}

/** Whether what is proposed here now commits. */
function commits(cluster: Cluster, replica: TestReplica): boolean {
  const before = replica.raft.log.commitIndex;
  replica.propose([1]);
  cluster.stabilize();
  return replica.raft.log.commitIndex > before;
}

describe("five replicas: n1, n2 and n3 hear each other, n4 only n2, n5 only n3", () => {
  const mesh = [
    ["n1", "n2", "n3"],
    ["n2", "n4"],
    ["n3", "n5"],
  ];

  test.each(ids)(
    "[E8] [E14] settle on a leader with a majority, whoever led before: %s",
    (first) => {
      const cluster = new Cluster(ids);
      cluster.elect(first);
      cluster.advance(50, true);
      cluster.network.partition(mesh);
      leadersOver(cluster, 1000);
      const settled = leadersOver(cluster, 3000);
      expect(settled).toHaveLength(1);
      expect(settled[0]).toMatch(/^n[123] /);
      expect(commits(cluster, cluster.leaders[0]!)).toBe(true);
    },
  );
});

describe("a replica that nobody hears, but that hears all", () => {
  test("[E6] [E8] disturbs nobody when it is heard again", () => {
    const cluster = new Cluster(ids);
    cluster.elect("n1");
    cluster.advance(50, true);
    cluster.network.mute("n5");
    const settled = leadersOver(cluster, 2000);
    cluster.network.mute(null);
    expect([...settled, ...leadersOver(cluster, 2000)]).toEqual(["n1 t1", "n1 t1"]);
  });

  test("[E14] does not go on leading", () => {
    const cluster = new Cluster(ids);
    cluster.elect("n1");
    cluster.advance(50, true);
    cluster.network.mute("n1");
    leadersOver(cluster, 1000);
    expect(cluster.leaders.map(({ id }) => id)).not.toContain("n1");
    expect(cluster.leaders).toHaveLength(1);
    expect(commits(cluster, cluster.leaders[0]!)).toBe(true);
  });
});

describe("two halves of four", () => {
  test("[C1] [E14] neither half leads for long, and neither commits", () => {
    const cluster = new Cluster(["n1", "n2", "n3", "n4"]);
    cluster.elect("n1");
    cluster.advance(50, true);
    cluster.network.partition([
      ["n1", "n2"],
      ["n3", "n4"],
    ]);
    expect(commits(cluster, cluster.replica("n1"))).toBe(false);
    cluster.advance(1000, true);
    expect(cluster.leaders).toEqual([]);
    cluster.network.partition([]);
    cluster.advance(2000, true);
    expect(cluster.leaders).toHaveLength(1);
  });
});
