import type { Context } from "hono";
import { allKeys } from "../../kv/key-range.ts";
import { chunksOf } from "../body.ts";
import type { EdgeEnv } from "../env.ts";
import { type Line, headOf, lineOf, readLine } from "../export-format.ts";
import { Importer, after } from "../importer.ts";
import { readTarget } from "../json-answer.ts";
import { readWhole } from "../large-value.ts";
import { linesOf } from "../lines.ts";
import { Problem } from "../problem.ts";
import { parseFlag } from "../query.ts";
import { ReplicaGroup } from "../replica-group.ts";
import { streamRange } from "../stream-range.ts";
import { checkWriteHeaders } from "../write-headers.ts";

/** `GET …/export`: all there is at one revision, as lines of JSON that an import takes. */
export async function getExport(c: Context<EdgeEnv>): Promise<Response> {
  const { destination } = readTarget(c);
  const group = new ReplicaGroup(c.env, destination.namespace);
  return streamRange(c, destination, {
    range: allKeys,
    values: true,
    head: headOf(destination.namespace),
    async describe({ key, found }, by) {
      const value = found.large === null ? found.value! : await readWhole(group, by, found.large);
      return lineOf(key, found, value);
    },
  });
}

/**
 * `POST …/import`: puts what an export says. With `replace`, in the place of all there was, and under
 * revisions that nothing had before. It is not done at once: who reads meanwhile sees a part.
 */
export async function postImport(c: Context<EdgeEnv>): Promise<Response> {
  const { raw } = c.req;
  const { destination, query } = readTarget(c, ["replace"]);
  checkWriteHeaders(raw.headers);
  const group = new ReplicaGroup(c.env, destination.namespace);
  const importer = new Importer(group, destination.timeoutMs);
  const skipped = { leased: 0, expired: 0 };
  try {
    const isReplacing = parseFlag("replace", query.replace);
    let lines = 0;
    let items = 0;
    let expected: number | null = null;
    for await (const text of linesOf(
      chunksOf(raw, () => new Problem("body_too_large", "it is endless"), Infinity),
    )) {
      const line = readLine(text, ++lines, Date.now());
      // What is no export must not cost what there is.
      if (lines === 1 && isReplacing) await replaceBy(line, importer);
      if (expected !== null)
        throw new Problem("bad_body", `line ${lines} comes after the last one`);
      if (line.type === "tail") expected = line.count;
      if (line.type !== "item") continue;
      items++;
      if (typeof line.wanted === "string") skipped[line.wanted]++;
      else await importer.put(line.key, line.wanted);
    }
    await importer.flush();
    checkCount(expected, items);
  } catch (error) {
    throw after(error, importer);
  }
  const { imported, revision } = importer;
  return c.body(`${JSON.stringify({ imported, skipped, revision })}\n`, 200, {
    "Content-Type": "application/json",
  });
}

async function replaceBy(first: Line, importer: Importer): Promise<void> {
  if (first.type !== "head") throw new Problem("bad_body", "line 1 is not how an export begins");
  await importer.empty();
}

/** The last line of an export says how many keys it has, so that one that broke off is not taken for whole. */
function checkCount(expected: number | null, items: number): void {
  if (expected === items) return;
  const detail =
    expected === null
      ? "there is no last line, so the export is not whole"
      : `the last line tells of ${expected} keys, and there were ${items}`;
  throw new Problem("bad_body", detail);
}
