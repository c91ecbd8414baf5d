import type { Context } from "hono";
import type { KeyRange } from "../kv/key-range.ts";
import type { ListItem, PageResult, ServedBy } from "../protocol/client.ts";
import { headersOf, revisionOf, worthOf } from "./answer-headers.ts";
import { type Terms, carry } from "./carry.ts";
import type { EdgeEnv } from "./env.ts";
import type { Destination } from "./json-answer.ts";
import { Problem } from "./problem.ts";
import { ReplicaGroup } from "./replica-group.ts";
import { type Settled, settle } from "./settle.ts";

export const ndjson = "application/x-ndjson";

export interface RangeStream {
  readonly range: KeyRange;
  readonly values: boolean;
  /** A line's content. */
  readonly describe: (
    item: ListItem & { readonly type: "key" },
    by: ServedBy,
  ) => object | Promise<object>;
  /** What the first line says, if there is one before the keys. */
  readonly head?: (revision: number) => object;
}

/**
 * Answers with all keys of a range at one revision, a line of JSON each. One replica holds on to that state,
 * and is asked for the next part when the client has taken the one before, so that neither has
 * to hold the whole. The last line says that it is the last: a stream without it is not whole.
 */
export async function streamRange(
  c: Context<EdgeEnv>,
  { namespace, ...terms }: Destination,
  { range, values, describe, head }: RangeStream,
): Promise<Response> {
  const group = new ReplicaGroup(c.env, namespace);
  const opened = await openView(c.req.raw, group, terms);
  const { result, servedBy: by } = opened;
  const { view, revision } = result;
  let rest: KeyRange | null = range;
  let count = 0;
  const lines = new TextEncoder();
  const line = (content: object): Uint8Array => lines.encode(`${JSON.stringify(content)}\n`);
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      if (head !== undefined) controller.enqueue(line(head(revision)));
    },
    async pull(controller) {
      try {
        // A stream that was given nothing is not asked again.
        for (let isEmpty = true; isEmpty && rest !== null;) {
          const page = await nextPage(group, by, { type: "page", view, range: rest, values });
          if (page.type === "noView") throw new Error("the state of this revision is gone");
          let all = "";
          for (const item of page.items) all += `${JSON.stringify(await describe(item, by))}\n`;
          isEmpty = all === "";
          if (!isEmpty) controller.enqueue(lines.encode(all));
          count += page.items.length;
          rest = page.rest;
        }
        if (rest !== null) return;
        controller.enqueue(line({ done: true, count, revision }));
      } catch (error) {
        controller.enqueue(line({ done: false, error: brokenOff(error, c.req.path) }));
      }
      controller.close();
    },
    async cancel() {
      // Of an empty range every page is the last, which lets go of the state.
      const nothing = { from: "", to: "" };
      await nextPage(group, by, { type: "page", view, range: nothing, values }).catch(() => {});
    },
  });
  return c.body(body, 200, {
    "Content-Type": ndjson,
    ...headersOf(namespace, opened),
    ...worthOf(result),
    ...revisionOf(revision),
  });
}

type Opened = Settled & { readonly result: { readonly type: "viewOpened" } };

async function openView(request: Request, group: ReplicaGroup, terms: Terms): Promise<Opened> {
  const forwarded = await carry(request, group, { type: "openView" }, terms);
  if (forwarded.type === "redirected") throw new Error("nobody is sent on from here");
  const { result, ...settled } = settle(forwarded);
  if (result.type !== "viewOpened") throw new Error(`a view was answered with ${result.type}`);
  return { ...settled, result };
}

/** How long a part may take to come. */
const pageTimeoutMs = 10_000;

async function nextPage(
  group: ReplicaGroup,
  { replica }: ServedBy,
  request: {
    readonly type: "page";
    readonly view: string;
    readonly range: KeyRange;
    readonly values: boolean;
  },
): Promise<PageResult> {
  const { results } = await group.ask(replica, [request], AbortSignal.timeout(pageTimeoutMs));
  return results[0] as PageResult;
}

/** What the last line of a stream says that is not whole. */
function brokenOff(error: unknown, instance: string): object {
  const why = error instanceof Error ? error.message : String(error);
  return new Problem("unavailable", `the stream broke off (${why}); ask for it again`).describe(
    instance,
  );
}
