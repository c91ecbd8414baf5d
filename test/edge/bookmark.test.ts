import { describe, expect, test } from "vitest";
import { bookmarkText, isReached, readBookmark } from "../../src/edge/bookmark.ts";
import { Problem } from "../../src/edge/problem.ts";

describe("a bookmark", () => {
  test.each([
    [{ epoch: 1, revision: 0 }, "1.1.0.shop"],
    [{ epoch: 7, revision: 1042 }, "1.7.1042.shop"],
    [{ epoch: 2, revision: 1_000_000_000_017 }, "1.2.1000000000017.shop"],
    [{ epoch: 1, revision: Number.MAX_SAFE_INTEGER }, `1.1.${Number.MAX_SAFE_INTEGER}.shop`],
  ])("of %j is %s, and is read as it was", (bookmark, text) => {
    expect(bookmarkText("shop", bookmark)).toBe(text);
    expect(readBookmark(text, "shop")).toEqual(bookmark);
  });

  test.each([
    "",
    "1",
    "1.1.5",
    "1.1.5.",
    "2.1.5.shop",
    "1.0.5.shop",
    "1.1.05.shop",
    "1.01.5.shop",
    "1.1.-5.shop",
    "1.1.5e3.shop",
    "1.1.9007199254740992.shop",
    "1.1.99999999999999999.shop",
    "1.9999999999.5.shop",
    " 1.1.5.shop",
    "1.1.5.shop ",
    "1.1.5.shop\n",
    "1.1.5.SHOP",
    "1.1.5.shop.shop",
    "1.1.5.other",
    "MS4xLjUuc2hvcA",
  ])("is not %j, which is refused", (text) => {
    const read = (): unknown => readBookmark(text, "shop");
    expect(read).toThrow(Problem);
    expect(read).toThrow(expect.objectContaining({ code: "bad_bookmark" }));
  });

  test.each([
    [{ epoch: 1, revision: 5 }, { epoch: 1, revision: 5 }, true],
    [{ epoch: 1, revision: 5 }, { epoch: 1, revision: 6 }, true],
    [{ epoch: 1, revision: 5 }, { epoch: 1, revision: 4 }, false],
    // Whatever revision a rebuilt group has reached, what was seen before may be lost.
    [{ epoch: 1, revision: 5 }, { epoch: 2, revision: 1e12 }, false],
    [{ epoch: 2, revision: 5 }, { epoch: 1, revision: 9 }, false],
  ])("%j is reached by %j: %s", (wanted, seen, expected) => {
    expect(isReached(wanted, seen)).toBe(expected);
  });
});
