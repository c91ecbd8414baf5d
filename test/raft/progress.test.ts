import { describe, expect, test } from "vitest";
import { Progress } from "../../src/raft/progress.ts";
import { asIndex } from "../../src/raft/types.ts";

const index = asIndex;

/** As of a new leader whose log ends at 10. */
const fresh = (): Progress => new Progress(index(10), 0);

/** Known to match up to 5, with entries 6 and 7 under way in messages of 100 bytes. */
function replicating(): Progress {
  const progress = new Progress(index(5), 0);
  progress.accepted(index(5));
  progress.sentEntries(index(6), 100);
  progress.sentEntries(index(7), 100);
  return progress;
}

const shape = ({
  state,
  matchIndex,
  nextIndex,
  inflightMessages,
  inflightBytes,
}: Progress): string => `${state} ${matchIndex} ${nextIndex} ${inflightMessages}/${inflightBytes}`;

describe("probing", () => {
  test("[L8] begins with nothing known, right after the end of the leader's log", () => {
    expect(shape(fresh())).toBe("probe 0 11 0/0");
  });

  test("[L8] one message goes, and then none until it is answered", () => {
    const progress = fresh();
    expect(progress.mayReplicate(8, 800)).toBe(true);
    progress.sentEntries(index(12), 100);
    expect(progress.mayReplicate(8, 800)).toBe(false);
    expect(shape(progress)).toBe("probe 0 11 0/0");
  });

  test("[L8] an empty message counts as the one", () => {
    const progress = fresh();
    progress.sentProbe();
    expect(progress.mayReplicate(8, 800)).toBe(false);
  });

  test.each([
    [10, "replicate 10 11 0/0"],
    [12, "replicate 12 13 0/0"],
    [9, "probe 9 11 0/0"],
    [0, "probe 0 11 0/0"],
  ])(
    "[L8] ends when the entry before the next is accepted: an answer of %i makes %s",
    (match, after) => {
      const progress = fresh();
      progress.accepted(index(match));
      expect(shape(progress)).toBe(after);
    },
  );

  test.each([
    [10, 9, "probe 0 10 0/0"],
    [10, 4, "probe 0 5 0/0"],
    [10, 0, "probe 0 1 0/0"],
    [10, 10, "probe 0 10 0/0"],
    [10, 99, "probe 0 10 0/0"],
  ])(
    "[L4] goes on where the logs may meet: refused at %i, meeting at %i, it is %s",
    (at, meet, after) => {
      const progress = fresh();
      progress.sentProbe();
      expect(progress.refused(index(at), index(meet))).toBe(true);
      expect(shape(progress)).toBe(after);
      expect(progress.mayReplicate(8, 800)).toBe(true);
    },
  );

  test.each([9, 11, 3])(
    "[L11] a refusal at %i was not what it asked last, and changes nothing",
    (at) => {
      const progress = fresh();
      progress.sentProbe();
      expect(progress.refused(index(at), index(2))).toBe(false);
      expect(shape(progress)).toBe("probe 0 11 0/0");
      expect(progress.mayReplicate(8, 800)).toBe(false);
    },
  );

  test("[L7] never goes back before what matches", () => {
    const progress = fresh();
    progress.accepted(index(6));
    expect(progress.refused(index(10), index(2))).toBe(true);
    expect(shape(progress)).toBe("probe 6 7 0/0");
  });

  test("[L10] being out of reach changes nothing more", () => {
    const progress = fresh();
    progress.becomeProbe();
    expect(shape(progress)).toBe("probe 0 1 0/0");
  });
});

describe("replicating", () => {
  test("[L9] each message moves on to the next entry", () => {
    expect(shape(replicating())).toBe("replicate 5 8 2/200");
  });

  test.each([
    [5, "replicate 5 8 2/200", false],
    [6, "replicate 6 8 1/100", true],
    [7, "replicate 7 8 0/0", true],
    [9, "replicate 9 10 0/0", true],
    [3, "replicate 5 8 2/200", false],
  ])("[L7] [L9] an answer of %i makes %s", (match, after, isNews) => {
    const progress = replicating();
    expect(progress.accepted(index(match))).toBe(isNews);
    expect(shape(progress)).toBe(after);
  });

  test.each([
    [3, 201, true],
    [3, 1000, true],
    [2, 1000, false],
    [1, 1000, false],
    [3, 200, false],
    [3, 199, false],
  ])(
    "[L9] with 2 messages and 200 bytes under way, a window of %i and %i is open: %s",
    (messages, bytes, open) => {
      expect(replicating().mayReplicate(messages, bytes)).toBe(open);
    },
  );

  test("[L10] a refusal takes all that was under way for lost", () => {
    const progress = replicating();
    expect(progress.refused(index(7), index(3))).toBe(true);
    expect(shape(progress)).toBe("probe 5 6 0/0");
    expect(progress.mayReplicate(8, 800)).toBe(true);
  });

  test.each([5, 4, 0])("[L11] a refusal at %i, which is known to match, is late", (at) => {
    const progress = replicating();
    expect(progress.refused(index(at), index(0))).toBe(false);
    expect(shape(progress)).toBe("replicate 5 8 2/200");
  });
});
