/** Section 5.4 of the Raft paper, a test for each sentence that can be checked. */
import { describe, expect, test } from "vitest";
import { acceptAll, candidate, leader } from "../support/roles.ts";
import { LoneReplica } from "../support/lone-replica.ts";

describe("5.4.1: election restriction", () => {
  test.each([
    [[1], "1/1"],
    [[1, 2], "2/2"],
  ])("[E11] 5.4.1: a request for votes names the last entry of the log %j, %s", (log, last) => {
    const n1 = candidate({ term: 2, log });
    expect(n1.sent.filter(({ type }) => type === "requestVoteRequest")).toMatchObject([
      { to: "n2", term: 3, last: n1.raft.log.last },
      { to: "n3", term: 3, last: n1.raft.log.last },
    ]);
    const { term, index } = n1.raft.log.last;
    expect(`${term}/${index}`).toBe(last);
  });

  test.each([
    [[1], "1/1", "granted"],
    [[1], "1/2", "granted"],
    [[1, 1], "1/1", "refused"],
    [[1], "2/1", "granted"],
    [[1], "2/2", "granted"],
    [[1, 1], "2/1", "granted"],
    [[2], "1/1", "refused"],
    [[2], "1/2", "refused"],
    [[2, 2], "1/1", "refused"],
    [[1, 2], "1/9", "refused"],
  ])(
    "[E10] 5.4.1: a voter with the log %j answers a candidate whose last entry is %s: %s",
    (log, last, answer) => {
      const n1 = new LoneReplica("n1", { term: 2, log });
      expect(n1.receive(`n2->n1 requestVoteRequest t3 last ${last}`)).toContain(
        `then send n1->n2 requestVoteResponse t3 ${answer}`,
      );
    },
  );
});

describe("5.4.2: entries from previous terms", () => {
  test.each([
    [1, 0],
    [2, 0],
    [3, 3],
  ])(
    "[C2] 5.4.2: a leader of term 3 with the log 1 2 3, of which a majority holds %i, commits %i",
    (match, commit) => {
      const n1 = leader({ term: 2, log: [1, 2] });
      acceptAll(n1, match, ["n2"]);
      expect(n1.raft.log.commitIndex).toBe(commit);
    },
  );
});
