import { describe, expect, test } from "vitest";
import { InvariantViolation } from "../../src/raft/assert.ts";
import { describeConfiguration, describeEntries, describeId } from "../../src/raft/describe.ts";
import { type LogChange, RaftLog } from "../../src/raft/log.ts";
import { type Content, type Entry, asIndex, asTerm } from "../../src/raft/types.ts";
import { MemoryLog, MemoryStorage } from "../support/memory-log.ts";
import { foundedBy } from "../support/members.ts";
import { entries, entry, id, logOfTerms } from "../support/notation.ts";
import { nothing } from "../support/persist.ts";

/**
 * A log over a disk on which `terms` are durable after `base`; what is written to it goes to that
 * disk when `write` is called.
 */
class TestLog {
  readonly storage: MemoryStorage;
  readonly log: RaftLog;

  constructor(terms: readonly number[], { base = "0/0", commit = 0, cacheBytes = 1000 } = {}) {
    const baseId = id(base);
    this.storage = new MemoryStorage({
      log: new MemoryLog(logOfTerms(terms, baseId.index), baseId),
    });
    const { log: reader } = this.storage.persisted;
    this.log = new RaftLog(reader, asIndex(commit), cacheBytes);
  }

  /** Writes a change, without making it durable. */
  write({ truncateFrom, entries: appended }: LogChange): void {
    const batch = this.storage.writtenBatch + 1;
    this.storage.persist({ ...nothing, batch, truncateFrom, entries: appended });
  }

  /** Makes everything durable and says so. */
  sync(): void {
    this.storage.sync();
    this.log.durableTo(this.log.last.index);
  }

  terms(): (number | null)[] {
    const { base, last } = this.log;
    const length = last.index - base.index;
    return Array.from({ length }, (_, i) => this.log.termAt(asIndex(base.index + 1 + i)));
  }

  slice(from: number, to: number, maxBytes = 1000): string {
    return describeEntries(this.log.slice(asIndex(from), asIndex(to), maxBytes));
  }
}

describe.each(["0/0", "1/5", "1/100"])("a log that begins after %s", (base) => {
  const start = id(base).index;
  const at = (term: number, offset: number): string => `${term}/${start + offset}`;
  const make = (cacheBytes = 1000): TestLog =>
    new TestLog([1, 1, 2, 4], { base, commit: start, cacheBytes });

  test("[L13] knows the terms from its base to its end, and no others", () => {
    const { log } = make();
    expect(describeId(log.base)).toBe(base);
    expect(describeId(log.last)).toBe(at(4, 4));
    expect(log.termAt(log.base.index)).toBe(id(base).term);
    expect(log.termAt(asIndex(start + 3))).toBe(2);
    expect(log.termAt(asIndex(start + 5))).toBeNull();
    expect(log.termAt(asIndex(start - 1))).toBeNull();
    expect(log.holds(id(at(2, 3)))).toBe(true);
    expect(log.holds(id(at(3, 3)))).toBe(false);
    expect(log.holds(log.base)).toBe(true);
  });

  test.each([
    [4, 9, 4],
    [4, 4, 4],
    [4, 3, 3],
    [4, 2, 3],
    [4, 1, 2],
    [3, 9, 3],
    [2, 1, 2],
    [9, 9, 4],
    [9, 3, 3],
    [0, 9, 0],
  ])(
    "[L4] up to place %i, the last entry whose term is at most %i is at place %i",
    (to, term, found) => {
      const { log } = make();
      expect(log.lastWithTermAtMost(asIndex(start + to), asTerm(term)).index).toBe(start + found);
    },
  );

  test("[L4] where every term is newer, the logs may meet at the base", () => {
    const { log } = make();
    expect(log.lastWithTermAtMost(asIndex(start + 4), asTerm(0))).toEqual(log.base);
  });

  test.each([
    ["nothing", [], null, "none", [1, 1, 2, 4]],
    ["what is there", [at(1, 1)], null, "none", [1, 1, 2, 4]],
    ["all that is there", [at(1, 1), at(1, 2), at(2, 3), at(4, 4)], null, "none", [1, 1, 2, 4]],
    ["what follows", [at(4, 5)], null, at(4, 5), [1, 1, 2, 4, 4]],
    ["some of both", [at(4, 4), at(5, 5)], null, at(5, 5), [1, 1, 2, 4, 5]],
    ["another last entry", [at(5, 4)], 4, at(5, 4), [1, 1, 2, 5]],
    ["another middle", [at(1, 2), at(3, 3)], 3, at(3, 3), [1, 1, 3]],
    ["another beginning", [at(2, 1)], 1, at(2, 1), [2]],
  ])("[L5] merging %s", (_, given, cut, appended, terms) => {
    const made = make();
    const change = made.log.merge(entries(given.join()));
    expect(change.truncateFrom).toBe(cut === null ? null : start + cut);
    expect(describeEntries(change.entries)).toBe(appended);
    expect(made.terms()).toEqual(terms);
  });

  test.each([0, 20, 1000])("[D7] [L14] reads the same with %i bytes of memory", (cacheBytes) => {
    const made = make(cacheBytes);
    const { log } = made;
    made.write(log.append(entries(at(5, 5))));
    expect(made.slice(start + 5, start + 5)).toBe(at(5, 5));
    made.write(log.merge(entries([at(6, 3), at(6, 4)].join())));
    expect(made.terms()).toEqual([1, 1, 6, 6]);
    made.sync();
    made.write(log.append(entries(at(6, 5))));
    expect(made.terms()).toEqual([1, 1, 6, 6, 6]);
    const read: string[] = [];
    for (let from = start + 1; from <= start + 5; from++) read.push(made.slice(from, from));
    expect(read).toEqual([at(1, 1), at(1, 2), at(6, 3), at(6, 4), at(6, 5)]);
    made.sync();
    expect(made.terms()).toEqual([1, 1, 6, 6, 6]);
  });
});

describe("slices", () => {
  const sized = (...sizes: number[]): Entry[] =>
    sizes.map((size, i) => entry({ term: asTerm(1), index: asIndex(1 + i) }, size));

  test.each([
    [0, "1/1"],
    [9, "1/1"],
    [10, "1/1"],
    [19, "1/1"],
    [20, "1/1..1/2"],
    [29, "1/1..1/2"],
    [30, "1/1..1/3"],
    [99, "1/1..1/3"],
  ])("[L9] of at most %i bytes hold %s, and always at least one entry", (maxBytes, expected) => {
    const made = new TestLog([]);
    made.log.append(sized(10, 10, 10));
    expect(made.slice(1, 3, maxBytes)).toBe(expected);
  });

  test("[L9] hold entries without data for free", () => {
    const made = new TestLog([]);
    made.log.append(sized(10, 0, 0));
    expect(made.slice(1, 3, 10)).toBe("1/1..1/3");
    expect(made.slice(2, 3, 0)).toBe("1/2..1/3");
  });

  test("[L9] of nothing are nothing", () => {
    expect(new TestLog([1]).slice(2, 1)).toBe("none");
  });

  test("[P9] outside the log are a bug", () => {
    const made = new TestLog([1, 1], { base: "1/5", commit: 5 });
    expect(() => made.slice(5, 6)).toThrow(InvariantViolation);
    expect(() => made.slice(7, 8)).toThrow(InvariantViolation);
  });
});

describe("what is durable", () => {
  test("[D6] at boot is all that storage holds", () => {
    expect(new TestLog([1, 1, 1]).log.durableIndex).toBe(3);
  });

  test("[D5] ends before a cut, and does not go back otherwise", () => {
    const { log } = new TestLog([1, 1, 1]);
    log.merge(entries("2/2,2/3"));
    expect(log.durableIndex).toBe(1);
    log.durableTo(asIndex(3));
    log.durableTo(asIndex(2));
    expect(log.durableIndex).toBe(3);
  });

  test("[D7] may leave memory, and the rest may not", () => {
    const made = new TestLog([], { cacheBytes: 0 });
    made.write(made.log.append(entries("1/1..1/3")));
    // The disk throws when it is asked for what is not durable.
    expect(made.slice(1, 3)).toBe("1/1..1/3");
    made.storage.sync();
    made.log.durableTo(asIndex(2));
    expect(made.slice(1, 3)).toBe("1/1..1/2");
    expect(made.slice(3, 3)).toBe("1/3");
  });
});

describe("bugs in whoever uses the log", () => {
  const { log } = new TestLog([1, 1, 1], { commit: 2 });

  test("[C5] what is committed is never cut", () => {
    expect(() => log.merge(entries("2/2"))).toThrow("cutting 2 would undo the committed 2");
  });

  test("[C5] a lower commit index changes nothing, and one past the end is a bug", () => {
    log.commitTo(asIndex(1));
    expect(log.commitIndex).toBe(2);
    expect(() => log.commitTo(asIndex(4))).toThrow("commit 4 is past the log's end 3");
  });

  test("[P9] entries follow each other, and their terms do not go back", () => {
    expect(() => log.append(entries("1/5"))).toThrow("5 does not follow 3");
    expect(() => log.append(entries("0/4"))).toThrow("term 0 after term 1");
  });

  test("[P9] an applied index past the end of the log cannot be", () => {
    expect(() => new TestLog([1], { commit: 2 })).toThrow("commit 2 is past the log's end 1");
  });

  test("[P9] ids of what the log does not know cannot be had", () => {
    expect(() => log.idAt(asIndex(9))).toThrow("the log does not know index 9");
  });
});

describe("configurations", () => {
  const named = (...ids: string[]): Content => ({
    type: "configuration",
    configuration: foundedBy(ids),
    data: new Uint8Array(0),
  });
  const at = (term: number, index: number, content: Content): Entry => ({
    ...content,
    term: asTerm(term),
    index: asIndex(index),
  });
  const newest = ({ log }: TestLog): string =>
    `${describeConfiguration(log.configuration)} from ${log.configurationIndex}`;

  test("[M1] the newest one counts as soon as it is there, and as long as", () => {
    const kept = new TestLog([1, 1], { commit: 1 });
    kept.log.append([at(1, 3, named("n1")), at(1, 4, named("n1", "n2"))]);
    expect(newest(kept)).toBe("n1 n2 from 4");
    kept.log.merge([at(2, 4, named("n4"))]);
    expect(newest(kept)).toBe("n4 from 4");
    kept.log.merge(entries("3/3"));
    expect(newest(kept)).toBe("n1 n2 n3 from 0");
  });

  test("[M12] one that holds where the log begins outlives its entry", () => {
    const kept = new TestLog([1, 1], { commit: 2 });
    kept.log.append([at(1, 3, named("n1")), ...entries("1/4..1/5")]);
    kept.log.commitTo(asIndex(5));
    kept.log.compactTo(asIndex(4));
    expect(newest(kept)).toBe("n1 from 3");
    expect(describeConfiguration(kept.log.configurationAt(asIndex(4)))).toBe("n1");
    expect(() => kept.log.configurationAt(asIndex(3))).toThrow(InvariantViolation);
  });

  test("[M12] that of a snapshot takes the place of all, newer ones in the log too", () => {
    const kept = new TestLog([1], { commit: 1 });
    kept.log.append([at(1, 2, named("n1")), ...entries("1/3..1/9"), at(1, 10, named("n2"))]);
    kept.log.reset({ ...id("2/8"), configuration: foundedBy(["n3"]) });
    expect(newest(kept)).toBe("n3 from 8");
  });
});
