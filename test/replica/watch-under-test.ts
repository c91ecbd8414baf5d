import { expect } from "vitest";
import { type KeyRange, allKeys } from "../../src/kv/key-range.ts";
import { toBytes } from "../../src/protocol/codec.ts";
import { replicaPath, watchHeader } from "../../src/protocol/replica-call.ts";
import { type WatchRequest, watchVersion } from "../../src/protocol/watch.ts";
import { eventually } from "../support/eventually.ts";
import type { GroupUnderTest } from "./group-under-test.ts";

/** What is to be watched: by default all that comes from now on. */
export interface Watched {
  readonly range?: KeyRange;
  readonly after?: number | null;
  readonly waitMs?: number | null;
}

export const watchRequest = ({
  range = allKeys,
  after = null,
  waitMs = null,
}: Watched = {}): WatchRequest => ({ version: watchVersion, range, after, waitMs });

/** What tests look at of a message. */
export interface Told {
  readonly type: string;
  readonly key?: string;
  readonly revision: number;
  readonly value?: string;
  readonly omitted?: true;
}

/** An event in brief. */
export const brief = ({ revision, type, key }: Told): string => `${revision} ${type} ${key}`;

/** A client that watches on a WebSocket. */
export class TestSocket {
  readonly messages: Told[] = [];
  /** Resolves when the socket has been closed. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      this.messages.push(JSON.parse(data as string) as Told);
    });
    this.closed = new Promise((resolve) => {
      socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }));
    });
    socket.accept();
  }

  /** Asks for a socket, whatever comes of it. */
  static ask(group: GroupUnderTest, id: string, watched: Watched = {}): Promise<Response> {
    const header = btoa(String.fromCharCode(...toBytes(watchRequest(watched))));
    const headers = { Upgrade: "websocket", [watchHeader]: header };
    return group.stub(id).fetch(`https://replica${replicaPath.watch}`, { headers });
  }

  static async open(group: GroupUnderTest, id: string, watched: Watched = {}): Promise<TestSocket> {
    const response = await TestSocket.ask(group, id, watched);
    if (response.webSocket === null) throw new Error(`no socket, but ${response.status}`);
    return new TestSocket(response.webSocket);
  }

  /** What has been changed, as far as it has been told. */
  get told(): string[] {
    return this.messages.filter(({ type }) => /put|delete|expire/.test(type)).map(brief);
  }

  /** Waits until a revision has been told. */
  async reaches(revision: number): Promise<void> {
    await eventually(`a message of revision ${revision}`, () =>
      this.messages.some((message) => message.revision >= revision),
    );
  }

  /** That each revision has been told, once and in order, and one key of each. */
  expectAll(from: number, to: number): void {
    const revisions = this.messages
      .filter(({ type }) => type !== "progress")
      .map((m) => m.revision);
    expect(revisions).toEqual(Array.from({ length: to - from + 1 }, (_, i) => from + i));
  }

  ack(revision: number): void {
    this.send(JSON.stringify({ ack: revision }));
  }

  send(message: string | Uint8Array): void {
    this.#socket.send(message);
  }

  close(code?: number): void {
    this.#socket.close(code);
  }
}
