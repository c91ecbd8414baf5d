import type { Context } from "hono";
import { answerInJson, readTarget } from "../json-answer.ts";
import type { EdgeEnv } from "../env.ts";
import { parseTtl, secondsOf } from "../expiry.ts";
import { onlyIdempotency } from "../idempotency.ts";
import { Problem } from "../problem.ts";

/** `POST …/leases?ttl=`: a new lease, which puts can name. */
export async function postLease(c: Context<EdgeEnv>): Promise<Response> {
  const { destination, query } = readTarget(c, ["ttl"]);
  if (query.ttl === undefined) {
    throw new Problem("bad_parameter", "ttl says how long the lease lives, like ttl=30s");
  }
  const ttlMs = parseTtl(query.ttl, "bad_parameter");
  return answerInJson(
    c,
    destination,
    { type: "grant", ttlMs, ...(await onlyIdempotency(c.req.raw)) },
    { lease },
  );
}

/** `PUT …/leases/{id}`: it lives for its whole time once more. */
export async function putLease(c: Context<EdgeEnv>): Promise<Response> {
  const { destination } = readTarget(c);
  const draft = {
    type: "keepAlive",
    lease: idOf(c),
    ...(await onlyIdempotency(c.req.raw)),
  } as const;
  return answerInJson(c, destination, draft, { lease });
}

/** `DELETE …/leases/{id}`: it ends, and the keys with it. */
export async function deleteLease(c: Context<EdgeEnv>): Promise<Response> {
  const { destination } = readTarget(c);
  const draft = { type: "revoke", lease: idOf(c), ...(await onlyIdempotency(c.req.raw)) } as const;
  return answerInJson(c, destination, draft, {
    revoked: ({ deleted, revision }) => ({ lease: draft.lease, deleted, revision }),
  });
}

/** `GET …/leases/{id}`: when it ends, and the keys that live as long as it. */
export async function getLease(c: Context<EdgeEnv>): Promise<Response> {
  const { destination } = readTarget(c);
  return answerInJson(
    c,
    destination,
    { type: "lease", lease: idOf(c) },
    {
      leaseFound: ({ keys, revision, ...found }) => ({ ...lease(found), keys, revision }),
      noLease: (_, headers) => {
        throw new Problem("lease_not_found", "there is no such lease, or it has ended", {
          headers,
        });
      },
    },
  );
}

interface Terms {
  readonly lease: string;
  readonly ttlMs: number;
  readonly expiresMs: number;
}

const lease = ({ lease: id, ttlMs, expiresMs }: Terms): object => ({
  lease: id,
  ttl: secondsOf(ttlMs),
  expires: secondsOf(expiresMs),
});

const idOf = ({ req }: Context<EdgeEnv>): string => req.param("lease") ?? "";
