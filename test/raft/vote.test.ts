import { describe, expect, test } from "vitest";
import type { PreVoteRequest, RequestVoteRequest } from "../../src/raft/messages.ts";
import { grantsVote } from "../../src/raft/vote.ts";
import { asTerm } from "../../src/raft/types.ts";
import { id, message } from "../support/notation.ts";

/** A voter of term 3 whose log ends at 2/5. */
const voter = { term: asTerm(3), vote: null, leader: null, last: id("2/5") };

const answer = (state: Partial<typeof voter> | object, request: string): boolean =>
  grantsVote({ ...voter, ...state }, message(request) as RequestVoteRequest | PreVoteRequest);

describe("a vote of the voter's own term", () => {
  test.each([
    ["free", {}, true],
    ["given to the one who asks", { vote: "n2" }, true],
    ["given to another", { vote: "n3" }, false],
    ["its own", { vote: "n1" }, false],
    ["free, but the leader is known", { leader: "n3" }, false],
    ["free, and the one who asks leads already", { leader: "n2" }, false],
    ["given to the one who asks, who leads already", { vote: "n2", leader: "n2" }, true],
  ])("[E9] that is %s", (_, state, granted) => {
    expect(answer(state, "n2->n1 requestVoteRequest t3 last 2/5")).toBe(granted);
  });
});

describe("a pre-vote", () => {
  test.each([
    ["for a coming term, with the vote free", {}, 4, true],
    ["for a coming term, with the vote given away", { vote: "n3" }, 4, true],
    ["for a coming term, with a leader known", { leader: "n3", vote: "n3" }, 4, true],
    ["for a far term", { vote: "n3" }, 9, true],
    ["for the present term, with the vote free", {}, 3, true],
    ["for the present term, with the vote given away", { vote: "n3" }, 3, false],
    ["for the present term, with a leader known", { leader: "n3" }, 3, false],
    ["for the present term, from the one who has the vote", { vote: "n2" }, 3, true],
  ])("[E7] %s", (_, state, term, granted) => {
    expect(answer(state, `n2->n1 preVoteRequest t${term} last 2/5`)).toBe(granted);
  });
});

describe("a log", () => {
  test.each([
    ["the same", "2/5", true],
    ["longer", "2/6", true],
    ["of a newer term, though shorter", "3/1", true],
    ["shorter", "2/4", false],
    ["of an older term, though longer", "1/9", false],
    ["empty", "0/0", false],
  ])("[E10] that is %s", (_, last, granted) => {
    expect(answer({}, `n2->n1 requestVoteRequest t3 last ${last}`)).toBe(granted);
    expect(answer({}, `n2->n1 preVoteRequest t4 last ${last}`)).toBe(granted);
  });
});
