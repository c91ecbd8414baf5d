import { describe, expect, test } from "vitest";
import {
  type WatchEvent,
  asServerSent,
  compactedSent,
  describeEvent,
  progressSent,
  retrySent,
} from "../../src/protocol/watch.ts";
import { utf8 } from "../support/machine-bench.ts";

const put: WatchEvent = {
  type: "put",
  key: "a",
  revision: 7,
  isLast: true,
  version: 2,
  value: utf8("x"),
  contentType: "text/plain",
  metadata: '{"by":[1]}',
};

const gone = { version: 0, value: null, contentType: null, metadata: null };

const event = (more: Partial<WatchEvent> = {}): WatchEvent => ({ ...put, ...more });

const lines = (...all: string[]): string => `${all.join("\n")}\n\n`;

describe("Server-sent events", () => {
  test.each<[string, string, string]>([
    [
      "a put",
      asServerSent(put),
      lines(
        "event: put",
        "id: 7",
        'data: {"type":"put","key":"a","revision":7,"version":2,"content_type":"text/plain","metadata":{"by":[1]},"value":"x"}',
      ),
    ],
    [
      "a put that is not the last of its revision",
      asServerSent(event({ isLast: false, contentType: null, metadata: null })),
      lines(
        "event: put",
        'data: {"type":"put","key":"a","revision":7,"version":2,"content_type":null,"metadata":null,"value":"x"}',
      ),
    ],
    [
      "a delete",
      asServerSent(event({ type: "delete", ...gone })),
      lines("event: delete", "id: 7", 'data: {"type":"delete","key":"a","revision":7}'),
    ],
    [
      "the end of a value's time",
      asServerSent(event({ type: "expire", isLast: false, ...gone })),
      lines("event: expire", 'data: {"type":"expire","key":"a","revision":7}'),
    ],
    [
      "how far all has been told",
      progressSent(9),
      lines("event: progress", "id: 9", 'data: {"type":"progress","revision":9}'),
    ],
    [
      // A client that comes back with this id would never get anything.
      "that some of it is gone, without an id",
      compactedSent(9),
      lines("event: compacted", 'data: {"type":"compacted","compact_revision":9}'),
    ],
    ["when to come back", retrySent, lines("retry: 1000")],
  ])("say %s", (_, text, expected) => {
    expect(text).toBe(expected);
  });

  test("are taken apart as they were meant, whatever keys and values hold", () => {
    const nasty = [
      "\n\nevent: delete\ndata: {}",
      "\r",
      "\r\n",
      "\u2028",
      "\u0085",
      "\0",
      "🙂",
      '"\\',
    ];
    for (const text of nasty) {
      const said = asServerSent(event({ key: text, value: utf8(text), contentType: text }));
      const events = parse(said);
      expect(events).toHaveLength(1);
      expect(events[0]).toMatchObject({ type: "put", id: "7" });
      expect(JSON.parse(events[0]!.data)).toMatchObject({
        key: text,
        value: text,
        content_type: text,
      });
    }
  });
});

describe("A value", () => {
  test("that is text is text, also an empty one, and a mark in front of it stays", () => {
    for (const text of ["", "é🙂", "\uFEFFx"]) {
      expect(describeEvent(event({ value: utf8(text) }))).toMatchObject({ value: text });
    }
  });

  test("that is none is base64", () => {
    const described = describeEvent(event({ value: Uint8Array.of(0xff, 0, 0x80) }));
    expect(described).toMatchObject({ value_b64: "/wCA" });
    expect(described).not.toHaveProperty("value");
  });

  test("that is not kept any more is said to be left out", () => {
    expect(describeEvent(event({ ...gone, version: 2 }))).toEqual({
      type: "put",
      key: "a",
      revision: 7,
      version: 2,
      content_type: null,
      metadata: null,
      omitted: true,
    });
  });
});

/** What a browser makes of it (HTML standard, 9.2.6). */
function parse(stream: string): { type: string; id: string; data: string }[] {
  const events: { type: string; id: string; data: string }[] = [];
  let [type, id, data] = ["", "", ""];
  for (const line of stream.split(/\r\n|\n|\r/)) {
    if (line === "") {
      if (data !== "") events.push({ type, id, data: data.replace(/\n$/, "") });
      [type, data] = ["", ""];
      continue;
    }
    const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (field === "event") type = value;
    if (field === "id") id = value;
    if (field === "data") data += `${value}\n`;
  }
  return events;
}
