import { describe, expect, test } from "vitest";
import { Effects } from "../../src/raft/effects.ts";
import { asIndex, asTerm } from "../../src/raft/types.ts";
import { entries, message } from "../support/notation.ts";

const none = { truncateFrom: null, entries: [] };

describe("the output of a step", () => {
  test("[D1] without anything to write has no batch, and takes no number", () => {
    const effects = new Effects();
    effects.persistLog(none);
    expect(effects.take(null).persist).toBeNull();
    effects.persistHardState({ term: asTerm(1), vote: null });
    expect(effects.batch).toBe(1);
    expect(effects.take(null).persist?.batch).toBe(1);
    expect(effects.batch).toBe(2);
  });

  test("[D1] has term, vote, cut and entries in one batch, the newest term and vote", () => {
    const effects = new Effects();
    effects.persistHardState({ term: asTerm(2), vote: null });
    effects.persistHardState({ term: asTerm(2), vote: "n2" });
    effects.persistLog({ truncateFrom: asIndex(3), entries: entries("2/3") });
    effects.persistLog({ truncateFrom: null, entries: entries("2/4") });
    expect(effects.take(7)).toMatchObject({
      persist: {
        batch: 1,
        hardState: { term: 2, vote: "n2" },
        truncateFrom: 3,
        entries: entries("2/3..2/4"),
      },
      wakeAtMs: 7,
    });
  });

  test("[P9] cuts before it appends, or something is wrong", () => {
    const effects = new Effects();
    effects.persistLog({ truncateFrom: null, entries: entries("1/1") });
    expect(() => effects.persistLog({ truncateFrom: asIndex(1), entries: [] })).toThrow(
      "a step cuts the log before it appends, never after",
    );
  });

  test("[P1] is handed over once", () => {
    const effects = new Effects();
    effects.sendNow(message("n1->n2 preVoteRequest t1 last 0/0"));
    effects.sendAfterPersist(message("n1->n2 preVoteResponse t1 granted"));
    effects.apply(entries("1/1"));
    effects.done(1, asIndex(1));
    effects.readAt(2, asIndex(1));
    effects.fail({ id: 3, reason: "dropped", leader: null });
    const { wakeAtMs, persist, ...lists } = effects.take(null);
    expect(Object.values(lists).map(({ length }) => length)).toEqual([1, 1, 1, 1, 1, 1]);
    const { wakeAtMs: after, persist: then, ...empty } = effects.take(null);
    expect(Object.values(empty).flat()).toEqual([]);
    expect([wakeAtMs, persist, after, then]).toEqual([null, null, null, null]);
  });
});
