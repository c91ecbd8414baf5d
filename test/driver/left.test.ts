import { expect, test } from "vitest";
import { answerOfLeft } from "../../src/replica/left.ts";
import { asIndex, asTerm } from "../../src/raft/types.ts";

const asks = (from: string) =>
  ({
    type: "preVoteRequest",
    from,
    to: "1",
    term: asTerm(5),
    last: { term: asTerm(1), index: asIndex(3) },
  }) as const;
const left = { members: ["2", "3", "4"].map((id) => ({ id, region: "local" })), nextId: 5 };

test("[M9] one that has left tells those who left before it", () => {
  const earlier = { ...left, members: left.members.slice(1) };
  expect(answerOfLeft(earlier, [asks("2")])).toMatchObject([
    { term: 4, granted: false, left: earlier },
  ]);
});

test("[M9] and the others whom to ask, or they would ask nobody else for ever", () => {
  expect(answerOfLeft(left, [asks("3")])).toMatchObject([
    { term: 4, granted: false, others: left.members },
  ]);
});
