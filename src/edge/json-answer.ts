import type { Context } from "hono";
import { type HeaderMap, headersOf, revisionOf, worthOf } from "./answer-headers.ts";
import type { ParameterName } from "./contract/parameters.ts";
import { type Terms, carry } from "./carry.ts";
import { consistencyNames, readConsistency } from "./consistency.ts";
import type { EdgeEnv } from "./env.ts";
import { type DefiniteResult, type Draft, isWrite } from "./forward.ts";
import { checkNamespace } from "./key-path.ts";
import { parseTimeout, readQuery } from "./query.ts";
import { ReplicaGroup } from "./replica-group.ts";
import { refusalOf } from "./refusals.ts";
import { settle } from "./settle.ts";

/** Where a request goes, and on what terms. */
export interface Destination extends Terms {
  readonly namespace: string;
}

/** Reads the namespace of a path, and a query with these parameters besides those that all requests may have. */
export function readTarget<Name extends ParameterName = never>(
  { req }: Context<EdgeEnv>,
  names: readonly Name[] = [],
): { readonly destination: Destination; readonly query: Partial<Record<Name, string>> } {
  const namespace = checkNamespace(req.param("ns") ?? "");
  const query = readQuery(req.url, [...common, ...names]);
  const { headers } = req.raw;
  const consistency = readConsistency(headers, query, namespace);
  const timeoutMs = parseTimeout((query as CommonQuery).timeout);
  return { destination: { namespace, timeoutMs, consistency }, query };
}

const common = ["timeout", ...consistencyNames] as const;
type CommonQuery = Partial<Record<(typeof common)[number], string>>;

/**
 * Takes a request to a replica, and answers with JSON.
 *
 * @param describe what the answer says, of those results that there can be.
 */
export async function answerInJson<Type extends DefiniteResult["type"]>(
  c: Context<EdgeEnv>,
  { namespace, ...terms }: Destination,
  draft: Draft,
  describe: {
    readonly [Each in Type]: (
      result: DefiniteResult & { readonly type: Each },
      headers: HeaderMap,
    ) => object;
  },
): Promise<Response> {
  const group = new ReplicaGroup(c.env, namespace);
  const forwarded = await carry(c.req.raw, group, draft, terms);
  if (forwarded.type === "redirected") throw new Error("nobody is sent on from here");
  const settled = settle(forwarded);
  const { result } = settled;
  const headers = {
    ...headersOf(namespace, settled),
    ...(isWrite(draft) ? {} : worthOf(result)),
    ...("revision" in result ? revisionOf(result.revision) : {}),
  };
  if (result.type === "refused") throw refusalOf(result, headers);
  const tell = describe[result.type as Type] as
    | ((result: DefiniteResult, headers: HeaderMap) => object)
    | undefined;
  if (tell === undefined) throw new Error(`${draft.type} was answered with ${result.type}`);
  return c.body(`${JSON.stringify(tell(result, headers))}\n`, 200, {
    "Content-Type": "application/json",
    ...headers,
  });
}
