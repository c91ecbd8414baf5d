import type { Context } from "hono";
import type { EdgeEnv } from "../env.ts";

/** `GET /`: what to type first. */
export function getWelcome(c: Context<EdgeEnv>): Response {
  const { origin } = new URL(c.req.url);
  return c.text(`quorumkv: a strongly consistent key-value store in several regions

  curl -i -X PUT ${origin}/v1/ns/default/keys/hello --data-binary world
  curl -i ${origin}/v1/ns/default/keys/hello
  curl -i -X DELETE ${origin}/v1/ns/default/keys/hello

  curl ${origin}/v1/ns/default/cluster
  curl "${origin}/readyz?ns=default&verbose"

The whole API is described in docs/http-api.md.
`);
}
